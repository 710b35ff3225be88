"""From a checkpoint to a model bundle."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import yaml
from safetensors.torch import save

from karyoscope.errors import KaryoscopeError
from karyoscope.inference.bundle import CARD, FORMAT, ONNX, README, WEIGHTS
from karyoscope.inference.rewrite import write_files
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.taxonomy import Taxonomy
from karyoscope.training.data import split_records
from karyoscope.training.recipe import Recipe, load_recipe


def load_network(recipe: Recipe, checkpoint: Path) -> Any:
    """The recipe's network with the weights of a checkpoint (the averaged ones, if any)."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    options = dict(recipe.network.options) | {"pretrained": False}
    network = build_network(recipe.network.name, len(Taxonomy.load(recipe.taxonomy)), **options)
    # Lightning saves the averaged weights as the state of the module when it averages.
    prefix = "network."
    weights = {k[len(prefix) :]: v for k, v in state["state_dict"].items() if k.startswith(prefix)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise KaryoscopeError(f"{checkpoint} does not fit its recipe's network") from error
    return network.eval()


def deployed(recipe: Recipe, network: Any) -> Deployed:
    """A recipe's network from pixels to maps, without auxiliary outputs."""
    return Deployed(network, recipe.mean, recipe.std, deployed_outputs(network)).eval()


def write_onnx(module: Deployed) -> tuple[bytes, dict[str, int]]:
    """ONNX graph with free batch, height and width; and the stride of each map.

    The weights are stored in half precision, which halves the file; engines widen them on load.

    Raises
    ------
    KaryoscopeError
        If OpenVINO's result in fp32 differs from torch's by more than 5e-3, or by more than 0.05
        after the weights were rounded.
    """
    example = torch.randint(0, 256, (2, 128, 192, 3), dtype=torch.uint8)
    strides = module.strides()
    buffer = io.BytesIO()
    # The tracing exporter: the sizes of asymmetric paddings become constants, which is right for
    # multiples of the input's step, and it takes a second where the other takes many minutes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            output_names=list(strides),
            dynamic_axes={name: {0: "n", 1: "h", 2: "w"} for name in ["image", *strides]},
        )
    _check(buffer.getvalue(), module, tolerance=5e-3)
    graph = _with_half_weights(buffer.getvalue())
    _check(graph, module, tolerance=0.05)
    return graph, strides


def _with_half_weights(graph: bytes) -> bytes:
    """Store large fp32 initialisers as fp16, each followed by a cast back to fp32."""
    model = onnx.load_from_string(graph)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < 1024:
            continue
        name = tensor.name
        half = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(half, f"{name}.half"))
        casts.append(
            onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _check(graph: bytes, module: Deployed, tolerance: float) -> None:
    import openvino as ov

    core = ov.Core()
    compiled = core.compile_model(
        core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    images = np.random.default_rng(0).integers(0, 256, (1, 160, 96, 3), np.uint8)
    with torch.no_grad():
        expected = module(torch.from_numpy(images))
    for output, value in zip(expected.values(), compiled(images).values(), strict=True):
        difference = float(np.abs(output.numpy() - value).max())
        if difference > tolerance:
            raise KaryoscopeError(f"the exported graph differs from torch by {difference:.2g}")


def export_bundle(
    run: Path,
    out: Path,
    checkpoint: str = "last.ckpt",
    readme: str | None = None,
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
    """
    recipe = load_recipe(run / "recipe.yaml")
    module = deployed(recipe, load_network(recipe, run / checkpoint))
    graph, strides = write_onnx(module)
    weights = save(
        {
            k: v.half().contiguous() if v.is_floating_point() else v.contiguous()
            for k, v in module.network.state_dict().items()
        }
    )
    post = recipe.postprocessing
    taxonomy = Taxonomy.load(recipe.taxonomy)
    readme = readme or f"# {recipe.name}\n\n{recipe.description}\n\nLicence: {recipe.licence}\n"
    files = {ONNX: graph, WEIGHTS: weights, README: readme.encode()}
    options = dict(recipe.network.options) | {"pretrained": False}
    card = {
        "format": FORMAT,
        "name": recipe.name,
        "version": recipe.version,
        "description": " ".join(recipe.description.split()),
        "licence": recipe.licence,
        "taxonomy": taxonomy.to_dict(),
        "mpp": recipe.mpp,
        "input": {
            "mean": list(recipe.mean),
            "std": list(recipe.std),
            "multiple_of": recipe.training.multiple_of,
            "context": recipe.context,
        },
        "maps": strides,
        "network": {"name": recipe.network.name, "options": options},
        "postprocessing": {"name": post.name, "params": post.options},
        "training": {
            "data": [f"{d.dataset}, weight {d.weight:g}" for d in recipe.data],
            "validation": [record.name for _, record in split_records(recipe)[1]],
            "steps": recipe.training.steps,
            "batch_size": recipe.training.batch_size,
        },
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True)
    return write_files(out, files | {CARD: text.encode()})
