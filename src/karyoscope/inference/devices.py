"""Which engine runs on which device."""

from __future__ import annotations

import shutil

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import installed
from karyoscope.inference.bundle import Bundle
from karyoscope.inference.engine import Engine
from karyoscope.inference.ensemble import Ensemble, EnsembleEngine

DEVICES = ("auto", "cpu", "cuda")
_CUDA = "CUDAExecutionProvider"


def open_engine(bundle: Bundle, device: str = "auto", threads: int = 0) -> Engine:
    """Open the engine for a device.

    Raises
    ------
    KaryoscopeError
        If the device is unknown, is ``cuda`` and nothing here can use a GPU, or the bundle cannot
        be run.
    """
    if device not in DEVICES:
        raise KaryoscopeError(f"no device {device!r}; there are {', '.join(DEVICES)}")
    if isinstance(bundle, Ensemble):
        members = [open_engine(member, device, threads) for member in bundle.members]
        return EnsembleEngine(members, tuple(bundle.card.maps))
    engine = None if device == "cpu" else _open_on_gpu(bundle)
    if engine is not None:
        return engine
    if device == "cuda":
        raise KaryoscopeError(
            "--device cuda needs an NVIDIA GPU, and torch or onnxruntime-gpu that sees it;"
            " use --device cpu"
        )
    from karyoscope.inference.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(bundle, threads)


def _open_on_gpu(bundle: Bundle) -> Engine | None:
    """Open an engine on a GPU; None where nothing here can use one."""
    if _torch_has_cuda():
        from karyoscope.inference.torch_engine import TorchEngine

        return TorchEngine.of_bundle(bundle)
    if _onnxruntime_has_cuda():
        from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

        engine = OnnxRuntimeEngine(bundle, _CUDA)
        return engine if engine.provider == _CUDA else None
    return None


def _torch_has_cuda() -> bool:
    """Whether torch sees a GPU; torch is not imported where there is no NVIDIA driver."""
    if not _nvidia_driver() or not installed("torch"):
        return False
    import torch

    return torch.cuda.is_available()


def _onnxruntime_has_cuda() -> bool:
    if not _nvidia_driver() or not installed("onnxruntime"):
        return False
    import onnxruntime

    return _CUDA in onnxruntime.get_available_providers()


def _nvidia_driver() -> bool:
    return shutil.which("nvidia-smi") is not None
