"""What the machine can do, measured beside what is reached: convolution and decoding of JPEG.

    python benchmarks/machine.py

Figures are per second of processor time of one thread, so that other work on the machine matters
little. The convolution is 3 x 3, 64 to 64 channels, on 256 x 256 pixels: large enough to reach what
a core can do, small enough to stay in its cache. Other benchmarks import :func:`peaks`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import imagecodecs
import numpy as np

from karyoscope.core.openvino_offline import ov

ops = ov.opset13

_EDGE, _CHANNELS = 256, 64
_OPERATIONS = 2 * 9 * _CHANNELS**2 * _EDGE**2


def cpu_seconds(call: Callable[[], object], repeat: int = 5) -> list[float]:
    """Seconds of processor time of each call, sorted; a first call is not counted."""
    call()
    taken = []
    for _ in range(repeat):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return sorted(taken)


def _convolution(precision: str) -> Callable[[], object]:
    """One convolution on one thread; eight bits by quantised inputs and weights."""
    shape = [1, _CHANNELS, _EDGE, _EDGE]
    random = np.random.default_rng(0)
    weights = random.normal(0, 0.05, (_CHANNELS, _CHANNELS, 3, 3)).astype(np.float32)
    image = ops.parameter(shape, np.float32)
    data, kernel = image.output(0), ops.constant(weights).output(0)
    if precision == "int8":
        data = ops.fake_quantize(data, 0.0, 4.0, 0.0, 4.0, 256).output(0)
        kernel = ops.fake_quantize(kernel, -0.2, 0.2, -0.2, 0.2, 255).output(0)
    # Several in a row, so that converting the first input matters little.
    for _ in range(4):
        result = ops.relu(ops.convolution(data, kernel, [1, 1], [1, 1], [1, 1], [1, 1]))
        data = result.output(0)
        if precision == "int8":
            data = ops.fake_quantize(data, 0.0, 4.0, 0.0, 4.0, 256).output(0)
    hint = "bf16" if precision == "bf16" else "f32"
    config = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": 1}
    model = ov.Core().compile_model(ov.Model([ops.result(data)], [image]), "CPU", config)
    request = model.create_infer_request()
    pixels = random.random(shape, np.float32)
    return lambda: request.infer([pixels], share_inputs=True, share_outputs=True)


def peaks(repeat: int = 5) -> dict[str, tuple[float, float, float]]:
    """Median, least and most of each figure, per second of processor time.

    Returns
    -------
    dict of str to (float, float, float)
        Billions of operations a second (a multiplication and an addition are two) of a convolution
        in fp32, bf16 and int8; Mpx a second of JPEG decoding.
    """
    found = {}
    for precision in ("fp32", "bf16", "int8"):
        taken = cpu_seconds(_convolution(precision), repeat)
        found[f"convolution {precision}, Gop/s"] = _rates(4 * _OPERATIONS / 1e9, taken)
    tissue = np.random.default_rng(0).integers(150, 255, (128, 128, 3), np.uint8)
    tissue = np.kron(tissue, np.ones((8, 8, 1), np.uint8))
    jpeg = imagecodecs.jpeg8_encode(tissue, level=80)
    taken = cpu_seconds(lambda: [imagecodecs.jpeg8_decode(jpeg) for _ in range(10)], repeat)
    found["JPEG decoding, Mpx/s"] = _rates(10 * tissue.shape[0] * tissue.shape[1] / 1e6, taken)
    return found


def _rates(work: float, taken: list[float]) -> tuple[float, float, float]:
    return work / taken[len(taken) // 2], work / taken[-1], work / taken[0]


def operations_per_pixel(graph: bytes, edge: int = 256) -> float:
    """Operations that the convolutions of an ONNX graph do for each pixel of its input."""
    model = ov.Core().read_model(graph)
    model.reshape([1, edge, edge, 3])
    total = 0.0
    for node in model.get_ops():
        if node.get_type_name() in ("Convolution", "GroupConvolution"):
            kernel, made = node.input(1).get_shape(), node.output(0).get_shape()
            # Channels and window that one output sees; of groups, whose number leads the shape.
            own = np.prod(kernel[2:] if node.get_type_name() == "GroupConvolution" else kernel[1:])
            total += 2.0 * float(own) * float(np.prod(made))
    return total / edge**2


def main() -> None:
    for name, (median, least, most) in peaks().items():
        print(f"{name:26} {median:9.1f}  ({least:.1f} to {most:.1f})")


if __name__ == "__main__":
    main()
