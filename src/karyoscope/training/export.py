"""From a checkpoint to a model bundle."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

from safetensors.torch import save

from karyoscope.core.files import write_folder
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.yaml import dump_yaml
from karyoscope.inference.bundle import CARD, FORMAT, ONNX, README, WEIGHTS
from karyoscope.training.data import SourceImages, images_of
from karyoscope.training.graph import check_graph, with_half_weights, write_onnx
from karyoscope.training.recipe import Recipe, load_recipe
from karyoscope.training.weights import deployed, half_weights, load_network


def export_bundle(
    run: Path,
    out: Path,
    checkpoint: str = "last.ckpt",
    readme: str | None = None,
    int8: bool = False,
) -> Path:
    """Write the bundle of a training run.

    Parameters
    ----------
    run : path
        Folder that :func:`train` wrote: ``recipe.yaml`` and checkpoints.
    out : path
        Folder of the bundle; replaced as a whole.
    checkpoint : str
        Name of the checkpoint.
    readme : str, optional
        Text of the model card for people; a short one is written where not given.
    int8 : bool
        Compute the dense convolutions of decoder and heads in eight-bit integers, calibrated on
        training images; score it before it ships.

    Raises
    ------
    KaryoscopeError
        If the run cannot be read, or the graph differs from the network.
    """
    recipe = load_recipe(run / "recipe.yaml")
    module = deployed(recipe, load_network(recipe, run / checkpoint))
    graph, strides = write_onnx(module)
    if int8:
        # Imported here, since ONNX Runtime's tools take a second to load.
        from karyoscope.training.quantise import calibration_tiles, quantise

        graph = with_half_weights(quantise(graph, module, calibration_tiles(recipe)))
    else:
        graph = with_half_weights(graph)
        check_graph(graph, module, tolerance=0.05)
    weights = save(half_weights(module.network))
    readme = readme or f"# {recipe.name}\n\n{recipe.description}\n\nLicence: {recipe.licence}\n"
    files = {ONNX: graph, WEIGHTS: weights, README: readme.encode()}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    card = _card(recipe, strides) | {"files": digests}
    text = dump_yaml(card)
    return write_folder(out, files | {CARD: text.encode()})


def _card(recipe: Recipe, strides: dict[str, int]) -> dict[str, Any]:
    """What the recipe says of the bundle, as plain data."""
    post = recipe.postprocessing
    sources, validation = images_of(recipe)
    return {
        "format": FORMAT,
        "name": recipe.name,
        "version": recipe.version,
        "description": " ".join(recipe.description.split()),
        "licence": recipe.licence,
        "taxonomy": Taxonomy.load(recipe.taxonomy).to_dict(),
        "mpp": recipe.mpp,
        "input": {
            "mean": list(recipe.mean),
            "std": list(recipe.std),
            "multiple_of": recipe.training.multiple_of,
            "context": recipe.context,
            **({"stain": recipe.stain} if recipe.stain else {}),
        },
        "maps": strides,
        "network": {"name": recipe.network.name, "options": recipe.network.untrained},
        "postprocessing": {"name": post.name, "params": post.options},
        "training": {
            "data": [_trained_on(source) for source in sources],
            "validation": [record.name for record in validation],
            "steps": recipe.training.steps,
            "batch_size": recipe.training.batch_size,
        },
    }


def _trained_on(source: SourceImages) -> dict[str, Any]:
    """What the card says of one dataset; its folder by name alone, since paths are private."""
    mpp = source.dataset.own_mpp
    return {
        "name": source.source.path.resolve().name,
        "layout": source.dataset.name,
        "weight": source.source.weight,
        "mpp": None if math.isnan(mpp) else mpp,
        "images": len(source.train),
        "held_out": [record.name for record in source.held_out],
    }
