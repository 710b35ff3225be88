"""A bundle of a RestainNet without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def write_restain_bundle(folder: Path, **changes: object) -> Path:
    """Write the bundle of a network with random weights; settings may be changed."""
    pytest.importorskip("lightning", reason="writes a network with the [train] extra")
    pytest.importorskip("onnx")
    import torch

    from karyoscope.training.restain import RestainModule, RestainSettings, Target, export_restainer

    torch.manual_seed(0)
    module = RestainModule(RestainSettings(**{"name": "random", "width": 4} | changes))
    torch.nn.init.normal_(module.network.head.weight, std=0.3)
    image = np.zeros((1, 1, 3), np.uint8)
    return export_restainer(module, Target([image], ["target.png"], 0.6), folder)
