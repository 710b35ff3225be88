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
from karyoscope.training.weights import bears_half

#: Range of a map, as a share of its largest value, below which it is flat.
_FLAT = 0.01

#: Difference by which the sums of a network in single precision may be rounded.
_ROUNDING = 1e-5


def write_onnx(module: Deployed) -> tuple[bytes, dict[str, int]]:
    """ONNX graph with free batch, height and width; and the stride of each map.

    Raises
    ------
    KaryoscopeError
        If a map of OpenVINO in fp32 differs from torch's by more than 5e-3 of its range, and by
        more than single precision is rounded by.
    """
    example = torch.randint(0, 256, (2, 128, 192, 3), dtype=torch.uint8)
    strides = module.strides()
    buffer = io.BytesIO()
    # The tracing exporter takes a second where the other takes many minutes.
    # Without gradients, the features of every layer are not kept.
    with warnings.catch_warnings(), torch.no_grad():
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
    check_graph(graph, module, tolerance=5e-3, rounding=_ROUNDING)
    return graph, strides


def with_half_weights(graph: bytes) -> bytes:
    """Store large fp32 kernels as fp16, each followed by a cast back to fp32.

    It halves the file; engines widen the weights when they load it. Vectors, such as statistics of
    batch normalisation, and values beyond the range of half precision stay as they are; see
    :func:`~karyoscope.training.weights.bears_half`.
    """
    model = onnx.load_from_string(graph)
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if not bears_half(torch.from_numpy(np.array(values))):
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(
            onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
        )
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def check_graph(graph: bytes, module: Deployed, tolerance: float, rounding: float = 0.0) -> None:
    """Refuse a graph whose maps of noise, run in fp32, differ from torch's anywhere.

    Parameters
    ----------
    graph : bytes
        ONNX.
    module : Deployed
        The network that the graph was made of.
    tolerance : float
        Largest difference, as a share of the range of values that torch gives the map, or of a
        hundredth of the largest value where the map is flatter than that.
    rounding : float
        Difference that is always allowed.

    Raises
    ------
    KaryoscopeError
        If a map differs by more, or is not finite; it is named.
    """
    images = np.random.default_rng(0).integers(0, 256, (1, 160, 96, 3), np.uint8)
    for name, (expected, found) in maps_of_both(graph, module, images).items():
        if not np.isfinite(expected).all():
            raise KaryoscopeError(f"the network's map {name!r} is not finite: training diverged")
        # Of a map that is nearly flat, the range is no more than what sums are rounded by.
        largest = float(np.abs(expected).max())
        span = max(float(np.ptp(expected)), _FLAT * largest, _ROUNDING)
        difference = float(np.abs(found - expected).max())
        share = difference / span
        # A value that is not a number is in no relation to the tolerance.
        if not (share <= tolerance or difference <= rounding):
            raise KaryoscopeError(
                f"the exported graph differs from torch in the map {name!r} by {share:.2g} of its"
                f" range, {span:.3g}"
            )


def differences(graph: bytes, module: Deployed, images: np.ndarray) -> list[np.ndarray]:
    """What OpenVINO makes of a graph, in fp32, less what torch makes of the network; a map each."""
    both = maps_of_both(graph, module, images).values()
    return [found - expected for expected, found in both]


def maps_of_both(
    graph: bytes, module: Deployed, images: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every map as torch gives it, and as OpenVINO gives it in fp32.

    Parameters
    ----------
    graph : bytes
        ONNX.
    module : Deployed
        The network that the graph was made of.
    images : ndarray of uint8, shape (n, h, w, 3)
    """
    from karyoscope.core.openvino_offline import ov

    core = ov.Core()
    compiled = core.compile_model(
        core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    with torch.no_grad():
        expected = module(torch.from_numpy(images))
    found = compiled(images).values()
    pairs = zip(expected.items(), found, strict=True)
    return {name: (torch_map.numpy(), value) for (name, torch_map), value in pairs}
