"""Which engine runs on which device."""

from __future__ import annotations

import importlib.util

from karyoscope.errors import KaryoscopeError
from karyoscope.inference.bundle import Bundle
from karyoscope.inference.engine import Engine

DEVICES = ("auto", "cpu", "cuda")


def open_engine(bundle: Bundle, device: str = "auto", threads: int = 0) -> Engine:
    """Open the engine for a device.

    Raises
    ------
    KaryoscopeError
        If the device is unknown, or is ``cuda`` and nothing here can use a GPU.
    """
    if device not in DEVICES:
        raise KaryoscopeError(f"no device {device!r}; there are {', '.join(DEVICES)}")
    if device == "cuda" or (device == "auto" and _onnxruntime_has_cuda()):
        if not _onnxruntime_has_cuda():
            raise KaryoscopeError(
                "--device cuda needs an NVIDIA GPU and `pip install onnxruntime-gpu`;"
                " use --device cpu"
            )
        from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(bundle, "CUDAExecutionProvider")
    from karyoscope.inference.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(bundle, threads)


def _onnxruntime_has_cuda() -> bool:
    if importlib.util.find_spec("onnxruntime") is None:
        return False
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()
