"""A network as an ONNX graph, compared with torch."""

from __future__ import annotations

import copy
import io
import warnings

import numpy as np
import onnx
import torch

from karyoscope.core.errors import KaryoscopeError
from karyoscope.networks.deployed import Deployed
from karyoscope.networks.padding import fix_padding


def write_onnx(module: Deployed) -> tuple[bytes, dict[str, int]]:
    """ONNX graph with free batch, height and width; and the stride of each map.

    Raises
    ------
    KaryoscopeError
        If OpenVINO's result in fp32 differs from torch's by more than 5e-3.
    """
    example = torch.randint(0, 256, (2, 128, 192, 3), dtype=torch.uint8)
    strides = module.strides()
    buffer = io.BytesIO()
    # The tracing exporter takes a second where the other takes many minutes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="Constant folding", category=UserWarning)
        torch.onnx.export(
            fix_padding(copy.deepcopy(module)),
            (example,),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=17,
            input_names=["image"],
            output_names=list(strides),
            dynamic_axes={name: {0: "n", 1: "h", 2: "w"} for name in ["image", *strides]},
        )
    graph = buffer.getvalue()
    check_graph(graph, module, tolerance=5e-3)
    return graph, strides


def with_half_weights(graph: bytes) -> bytes:
    """Store large fp32 initialisers as fp16, each followed by a cast back to fp32.

    It halves the file; engines widen the weights when they load it.
    """
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


def check_graph(graph: bytes, module: Deployed, tolerance: float) -> None:
    """Refuse a graph whose maps of noise, run in fp32, differ from torch's anywhere.

    Raises
    ------
    KaryoscopeError
        If they differ by more than the tolerance.
    """
    images = np.random.default_rng(0).integers(0, 256, (1, 160, 96, 3), np.uint8)
    difference = max(float(np.abs(d).max()) for d in differences(graph, module, images))
    if difference > tolerance:
        raise KaryoscopeError(f"the exported graph differs from torch by {difference:.2g}")


def differences(graph: bytes, module: Deployed, images: np.ndarray) -> list[np.ndarray]:
    """What OpenVINO makes of a graph, in fp32, less what torch makes of the network; a map each."""
    import openvino as ov

    core = ov.Core()
    compiled = core.compile_model(
        core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    with torch.no_grad():
        expected = module(torch.from_numpy(images))
    found = compiled(images).values()
    return [
        value - torch_map.numpy() for value, torch_map in zip(found, expected.values(), strict=True)
    ]
