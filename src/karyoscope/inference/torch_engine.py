"""torch: the engine for GPUs where torch is installed, and for networks in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference.bundle import WEIGHTS, Bundle
from karyoscope.inference.engine import Engine, Maps, failed
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed


class TorchEngine(Engine):
    """Run a module that maps (n, h, w, 3) uint8 images to named maps.

    Parameters
    ----------
    module : nn.Module
        Such as :class:`~karyoscope.networks.deployed.Deployed`, on its device, in evaluation mode.
    autocast : bool
        Compute in bf16.
    """

    # Test-time dropout is torch's alone: an ONNX graph would need the masks as a further input,
    # and the networks that have dropout (bern's B5 to L2) are too large to run on a CPU anyway.

    def __init__(self, module: nn.Module, autocast: bool = True) -> None:
        self._module = module
        self._device = next(module.parameters()).device
        self._autocast = autocast
        self._dropouts = [m for m in module.modules() if isinstance(m, nn.Dropout2d) and m.p > 0]
        self.dropout = bool(self._dropouts)
        self.device = f"{self._device}, torch {'bf16' if autocast else 'fp32'}"

    @classmethod
    def of_bundle(cls, bundle: Bundle, device: str = "cuda") -> TorchEngine:
        """Build a bundle's network and load its ``weights.safetensors``."""
        card = bundle.card
        network: Any = build_network(
            card.network.name, len(bundle.taxonomy), **card.network.options
        )
        try:
            network.load_state_dict(load(bundle.read(WEIGHTS)))
        except (RuntimeError, SafetensorError) as error:
            raise KaryoscopeError(
                f"model bundle {bundle.path}: {WEIGHTS} does not fit the network it names"
            ) from error
        outputs = deployed_outputs(network)
        module = Deployed(network, card.input.mean, card.input.std, outputs)
        module = module.eval().to(torch.device(device)).to(memory_format=torch.channels_last)
        return cls(module, autocast=device != "cpu")

    @torch.inference_mode()
    def run(self, images: np.ndarray) -> Maps:
        """Run a batch; see :meth:`Engine.run`."""
        try:
            batch = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._autocast):
                maps = self._module(batch)
            return {name: values.float().cpu().numpy() for name, values in maps.items()}
        except RuntimeError as error:
            raise failed("torch", images, error) from error

    def run_at_random(self, images: np.ndarray, number: int) -> Maps:
        """Run a batch with whole channels dropped, as in training; see the base class.

        Only :class:`torch.nn.Dropout2d` is turned on: what it drops depends on the channels
        alone, so windows of any size lose the same ones. Stochastic depth stays off.
        """
        here = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=here):
            torch.manual_seed(number)
            try:
                for layer in self._dropouts:
                    layer.train()
                return self.run(images)
            finally:
                for layer in self._dropouts:
                    layer.eval()
