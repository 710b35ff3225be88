"""Which engine runs on which device."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.limits import check_threads
from karyoscope.core.optional import installed
from karyoscope.core.plugins import blamed
from karyoscope.core.registry import Registry
from karyoscope.inference.bundle import Bundle
from karyoscope.inference.engine import Engine
from karyoscope.inference.ensemble import Ensemble, EnsembleEngine

_CUDA = "CUDAExecutionProvider"


def open_engine(bundle: Bundle, device: str = "auto", threads: int = 0) -> Engine:
    """Open the engine for a device.

    Parameters
    ----------
    bundle : Bundle
    device : str
        One of :data:`DEVICES`: ``auto`` is a GPU of NVIDIA or AMD (ROCm) that torch or ONNX
        Runtime sees, else the CPU; ``mps`` is the GPU of a Mac, through torch; ``torch`` is the
        CPU through torch, which can drop units out at test time as OpenVINO cannot, and is
        slower. Or the engine of a plugin: ``my_file.py:Name``.
    threads : int
        Threads of the CPU; 0 for all.

    Raises
    ------
    KaryoscopeError
        If the device is unknown, is ``cuda`` or ``mps`` and nothing here can use such a GPU, is
        ``torch`` and PyTorch is not installed, or the bundle cannot be run.
    """
    opened = DEVICES.find(device)
    check_threads(threads)
    if isinstance(bundle, Ensemble):
        members = [open_engine(member, device, threads) for member in bundle.members]
        return EnsembleEngine(members, tuple(bundle.card.maps))
    with blamed():
        return opened(bundle, threads)


def _open_on_cpu(bundle: Bundle, threads: int) -> Engine:
    from karyoscope.inference.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(bundle, threads)


def _open_on_cuda(bundle: Bundle, threads: int) -> Engine:
    engine = open_on_gpu(bundle)
    if engine is None:
        raise KaryoscopeError(
            "--device cuda needs an NVIDIA GPU, and torch or onnxruntime-gpu that sees it, or an"
            " AMD GPU and torch for ROCm; use --device cpu"
        )
    return engine


def _open_on_mps(bundle: Bundle, threads: int) -> Engine:
    if not _torch_has_mps():
        raise KaryoscopeError(
            "--device mps needs a Mac with Apple silicon, and torch that sees its GPU;"
            " use --device cpu"
        )
    from karyoscope.inference.torch_engine import TorchEngine

    return TorchEngine.of_bundle(bundle, "mps")


def _open_torch_on_cpu(bundle: Bundle, threads: int) -> Engine:
    if not installed("torch"):
        raise KaryoscopeError(
            "--device torch needs PyTorch: pip install 'karyoscope[train]'; or use --device cpu"
        )
    from karyoscope.inference.torch_engine import TorchEngine

    return TorchEngine.of_bundle(bundle, "cpu", threads)


def _open_anywhere(bundle: Bundle, threads: int) -> Engine:
    # Not on a Mac's GPU, whose results nobody has compared yet: that has to be asked for.
    return open_on_gpu(bundle) or _open_on_cpu(bundle, threads)


DEVICES: Registry[Callable[[Bundle, int], Engine]] = Registry(
    "device",
    {
        "auto": _open_anywhere,
        "cpu": _open_on_cpu,
        "cuda": _open_on_cuda,
        "mps": _open_on_mps,
        "torch": _open_torch_on_cpu,
    },
    group="karyoscope.engines",
)
"""What opens an engine for a bundle, with a number of threads, by the name of a device."""


def open_on_gpu(bundle: Bundle) -> Engine | None:
    """Open an engine on a GPU; None where nothing here can use one."""
    if torch_has_cuda():
        from karyoscope.inference.torch_engine import TorchEngine

        return TorchEngine.of_bundle(bundle)
    if onnxruntime_has_cuda():
        from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

        engine = OnnxRuntimeEngine(bundle, _CUDA)
        return engine if engine.provider == _CUDA else None
    return None


def torch_has_cuda() -> bool:
    """Whether torch sees a GPU of NVIDIA, or of AMD, which torch for ROCm calls ``cuda`` as well.

    torch is not imported where there is no driver of either.
    """
    if not (has_nvidia_driver() or has_amd_driver()) or not installed("torch"):
        return False
    import torch

    return torch.cuda.is_available()


def _torch_has_mps() -> bool:
    """Whether torch sees the GPU of a Mac; torch is imported on Apple silicon alone."""
    if not is_apple_silicon() or not installed("torch"):
        return False
    import torch

    return torch.backends.mps.is_available()


def onnxruntime_has_cuda() -> bool:
    """Whether ONNX Runtime can use a GPU of NVIDIA; it is not imported where there is no driver."""
    if not has_nvidia_driver() or not installed("onnxruntime"):
        return False
    import onnxruntime

    return _CUDA in onnxruntime.get_available_providers()


def has_nvidia_driver() -> bool:
    """Whether the driver of NVIDIA is installed."""
    return shutil.which("nvidia-smi") is not None


def has_amd_driver() -> bool:
    """Whether there is the device file through which ROCm computes (Linux)."""
    return os.path.exists("/dev/kfd")


def is_apple_silicon() -> bool:
    """Whether this is a Mac with a GPU that torch can use."""
    return sys.platform == "darwin" and platform.machine() == "arm64"
