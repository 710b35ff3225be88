"""torch: the engine for GPUs, for networks in training, and for dropout at test time."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference.bundle import WEIGHTS, Bundle
from karyoscope.inference.engine import GPU_BATCH, Engine, Maps, failed
from karyoscope.inference.find import find_bundle
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed


class TorchEngine(Engine):
    """Run a module that maps (n, h, w, 3) uint8 images to named maps.

    On a GPU of NVIDIA or AMD, images and maps are copied through page-locked memory, and two
    threads call the engine, so that one copies while the other computes. Where its memory does not
    hold a batch, later batches are half as large.

    Parameters
    ----------
    module : nn.Module
        Such as :class:`~karyoscope.networks.deployed.Deployed`, on its device, in evaluation mode.
    autocast : bool
        Compute in bf16.
    """

    # Test-time dropout is torch's alone: an ONNX graph would need the masks as a further input.

    def __init__(self, module: nn.Module, autocast: bool = True) -> None:
        self._module = module
        self._device = next(module.parameters()).device
        self._autocast = autocast
        self._dropouts = [m for m in module.modules() if isinstance(m, nn.Dropout2d) and m.p > 0]
        self.dropout = bool(self._dropouts)
        self._is_gpu = self._device.type == "cuda"
        if self._is_gpu:
            self.batch, self.calls_at_once = GPU_BATCH, 2
        # Dropout is turned on in the module, and drawn from torch's one generator.
        self._lock = threading.RLock() if self.dropout else nullcontext()
        self.device = described_device(self._device, autocast)

    @classmethod
    def of_bundle(cls, bundle: Bundle, device: str = "cuda", threads: int = 0) -> TorchEngine:
        """Build a bundle's network and load its ``weights.safetensors``.

        Parameters
        ----------
        bundle : Bundle
        device : {"cuda", "mps", "cpu"}
        threads : int
            Threads of the CPU, of all networks that torch runs in this process; 0 leaves torch's
            number, which is that of the cores unless it was set.
        """
        if threads:
            torch.set_num_threads(threads)
        module = torch_module(bundle).to(torch.device(device))
        # On a Mac's GPU, bf16 depends on the chip and the version of macOS.
        autocast = torch.device(device).type == "cuda"
        return cls(module.to(memory_format=torch.channels_last), autocast=autocast)

    @torch.inference_mode()
    def run(self, images: np.ndarray) -> Maps:
        """Run a batch; see :meth:`Engine.run`."""
        try:
            pixels = torch.from_numpy(np.require(images, requirements=["C", "W"]))
            autocast = torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast)
            with self._lock, autocast:
                maps = self._module(self._to_device(pixels))
            return self._to_host(maps)
        except torch.cuda.OutOfMemoryError as error:
            self.batch = max(1, min(self.batch, len(images) // 2))
            raise failed("torch", images, error) from error
        except RuntimeError as error:
            raise failed("torch", images, error) from error

    def _to_device(self, pixels: torch.Tensor) -> torch.Tensor:
        if not self._is_gpu:
            return pixels.to(self._device)
        return pixels.pin_memory().to(self._device, non_blocking=True)

    def _to_host(self, maps: dict[str, torch.Tensor]) -> Maps:
        if not self._is_gpu:
            return {name: values.float().cpu().numpy() for name, values in maps.items()}
        found = {}
        for name, values in maps.items():
            found[name] = torch.empty(values.shape, dtype=torch.float32, pin_memory=True)
            found[name].copy_(values.float(), non_blocking=True)
        # Up to here, and not for what another thread has begun since.
        event: Any = torch.cuda.Event
        done = event(blocking=True)
        done.record()
        done.synchronize()
        return {name: values.numpy() for name, values in found.items()}

    def run_at_random(self, images: np.ndarray, number: int) -> Maps:
        """Run a batch with whole channels dropped, as in training; see the base class.

        Only :class:`torch.nn.Dropout2d` is turned on: what it drops depends on the channels
        alone, so windows of any size lose the same ones. Stochastic depth stays off.
        """
        if len(images) > 1:
            # What is dropped is drawn image by image, and all are to lose the same.
            each = [self.run_at_random(image[None], number) for image in images]
            return {name: np.concatenate([maps[name] for maps in each]) for name in each[0]}
        here = [self._device] if self._device.type == "cuda" else []
        with self._lock, torch.random.fork_rng(devices=here):
            torch.manual_seed(number)
            try:
                for layer in self._dropouts:
                    layer.train()
                return self.run(images)
            finally:
                for layer in self._dropouts:
                    layer.eval()


def torch_module(bundle: Bundle | str | Path) -> Deployed:
    """The network of a bundle with its weights, as a module for one's own PyTorch code.

    Parameters
    ----------
    bundle : Bundle, str or path
        A bundle that was opened, the name of a shipped model, or a folder or zip file.

    Returns
    -------
    Deployed
        On the CPU, in evaluation mode. Called with pixels, uint8 of shape (n, h, w, 3), it gives
        the maps by standard name, channels last; ``network`` of it takes normalised images of
        shape (n, 3, h, w) and gives raw outputs, to train on.

    Raises
    ------
    KaryoscopeError
        If the bundle or its weights cannot be used.
    """
    opened = bundle if isinstance(bundle, Bundle) else find_bundle(bundle)
    card = opened.card
    opened.require_plugin(card.network.name)
    network: Any = build_network(card.network.name, len(opened.taxonomy), **card.network.options)
    try:
        network.load_state_dict(load(opened.read(WEIGHTS)))
    except (RuntimeError, SafetensorError) as error:
        raise KaryoscopeError(
            f"model bundle {opened.path}: {WEIGHTS} does not fit the network it names"
        ) from error
    return Deployed(network, card.input.mean, card.input.std, deployed_outputs(network)).eval()


def described_device(device: torch.device, autocast: bool) -> str:
    """Return the device, the library and the precision in which a network runs, as one line."""
    # torch for ROCm calls an AMD GPU "cuda", too.
    rocm = device.type == "cuda" and torch.version.hip is not None
    return f"{device}, torch{' ROCm' if rocm else ''} {'bf16' if autocast else 'fp32'}"
