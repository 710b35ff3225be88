"""Registered networks small enough to test on one core."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.networks import build_network  # noqa: E402

TINY: dict[str, dict[str, Any]] = {
    "shared_unet": {"encoder": "test_efficientnet", "channels": [16, 12, 8, 8]},
    "hovernet": {"width": 0.125},
    "two_decoder_unet": {"encoder": "test_efficientnet", "channels": [16, 12, 8, 8, 8]},
    "resunet34": {"encoder": "test_resnet", "channels": [16, 12, 8, 8]},
    "unet": {"channels": [4, 6, 8, 12]},
    "fcn8s": {"encoder": "test_efficientnet", "hidden": 16},
    "dist": {"channels": [4, 6, 8, 12]},
    "micronet": {"width": 4},
    "segnet": {"encoder": None, "channels": [4, 6, 8, 12, 12], "convolutions": [1, 2, 2, 2, 2]},
    "dcan": {"encoder": "test_efficientnet"},
}


def tiny(name: str, n_classes: int = 3, **options: Any) -> torch.nn.Module:
    """A small network in evaluation mode, whose normalisation has seen an image."""
    torch.manual_seed(0)
    network = build_network(name, n_classes, **TINY.get(name, {}) | options).train()
    norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    edge = 64 + 2 * getattr(network, "context", 0)
    with torch.no_grad():
        network(torch.rand(2, 3, edge, edge))
    for norm in norms:
        norm.momentum = 0.1
    return network.eval()
