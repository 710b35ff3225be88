"""From a checkpoint to a model bundle."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from safetensors.torch import save

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_folder
from karyoscope.core.lock import locked_output
from karyoscope.core.yaml import dump_yaml
from karyoscope.inference.bundle import CARD, ONNX, README, WEIGHTS, ModelCard
from karyoscope.inference.card_tables import with_tables
from karyoscope.inference.readme import readme_of
from karyoscope.networks.deployed import Deployed
from karyoscope.training.bundle.card import card_of
from karyoscope.training.bundle.graph import check_graph, with_half_weights, write_onnx
from karyoscope.training.keep_parent import mix_for_export
from karyoscope.training.recipe.plugins import listed_in_bundle
from karyoscope.training.recipe.reading import load_recipe
from karyoscope.training.weights import (
    deployed,
    full_weights,
    half_weights,
    kept_share_of,
    load_network,
)

log = logging.getLogger(__name__)

#: How far weights in half precision may change a map, as a share of its range.
HALF_TOLERANCE = 0.05


def export_bundle(
    run: Path,
    out: Path,
    checkpoint: str = "last.ckpt",
    readme: str | None = None,
    int8: bool = False,
    int8_encoder: bool = False,
    keep_parent: float | None = None,
) -> Path:
    """Write the bundle of a training run.

    The run is enough: neither its data nor the folder that it was trained in have to be there,
    unless eight-bit integers are requested.

    Parameters
    ----------
    run : path
        Folder that :func:`train` wrote: ``recipe.yaml`` and checkpoints.
    out : path
        Folder of the bundle; replaced as a whole.
    checkpoint : str
        Name of the checkpoint.
    readme : str, optional
        Text of the model card for people, whose tables between lines such as
        ``<!-- scores: begin -->`` and ``<!-- scores: end -->`` are filled in (see
        :func:`karyoscope.inference.card_tables.with_tables`); where it is not given, the page is
        made of what the run keeps: data, counts, splits, parents, versions.
    int8 : bool
        Compute the dense convolutions of decoder and heads in eight-bit integers, calibrated on
        training images; score it before it ships.
    int8_encoder : bool
        Compute the encoder's convolutions in eight-bit integers, too, but for those that change
        the maps more than the decoder's do, and those whose result is added to another map;
        implies ``int8``.
    keep_parent : float, optional
        Share of the weights of the model that the run started from, from 0 to 1; what the run
        decided by ``training.keep_parent`` where it is not given.

    Raises
    ------
    KaryoscopeError
        If the run cannot be read or has no parent to keep of, the graph differs from the network,
        or another run writes ``out``.
    """
    recipe = load_recipe(run / "recipe.yaml")
    with locked_output(out):
        network = load_network(recipe, run / checkpoint)
        mixed = kept_share_of(run / checkpoint)
        kept = mix_for_export(network, recipe, run, mixed, keep_parent)
        module = deployed(recipe, network)
        graph, strides = write_onnx(module)
        if int8 or int8_encoder:
            # Imported here, since ONNX Runtime's tools take a second to load.
            from karyoscope.training.bundle.quantisation import calibration_tiles, quantise

            graph = with_half_weights(
                quantise(graph, module, calibration_tiles(recipe), encoder=int8_encoder)
            )
            weights = save(half_weights(module.network))
        else:
            graph, weights = small_graph(graph, module)
        card = card_of(recipe, run, checkpoint, strides, kept) | listed_in_bundle(recipe)
        stated = ModelCard.model_validate(card)
        readme = with_tables(readme, stated) if readme else readme_of(stated)
        files = {ONNX: graph, WEIGHTS: weights, README: readme.encode()}
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        text = dump_yaml(card | {"files": digests})
        return write_folder(out, files | {CARD: text.encode()})


def small_graph(graph: bytes, module: Deployed) -> tuple[bytes, bytes]:
    """The graph and the weights, in half precision if the maps stay what they are."""
    half = with_half_weights(graph)
    try:
        check_graph(half, module, HALF_TOLERANCE)
    except KaryoscopeError as error:
        log.warning("weights are kept in single precision, for in half precision %s", error)
        return graph, save(full_weights(module.network))
    return half, save(half_weights(module.network))
