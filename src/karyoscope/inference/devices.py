"""Which engine runs on which device."""

from __future__ import annotations

import importlib.util
import shutil

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
    if device != "cpu" and _torch_has_cuda():
        from karyoscope.inference.torch_engine import TorchEngine

        return TorchEngine.of_bundle(bundle)
    if device != "cpu" and _onnxruntime_has_cuda():
        from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(bundle, "CUDAExecutionProvider")
    if device == "cuda":
        raise KaryoscopeError(
            "--device cuda needs an NVIDIA GPU, and torch or onnxruntime-gpu that sees it;"
            " use --device cpu"
        )
    from karyoscope.inference.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(bundle, threads)


def _torch_has_cuda() -> bool:
    """Whether torch sees a GPU; torch is not imported where there is no NVIDIA driver."""
    if not _nvidia_driver() or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _onnxruntime_has_cuda() -> bool:
    if not _nvidia_driver() or importlib.util.find_spec("onnxruntime") is None:
        return False
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _nvidia_driver() -> bool:
    return shutil.which("nvidia-smi") is not None
