"""From a trained RestainNet to its bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_folder
from karyoscope.core.yaml import dump_yaml
from karyoscope.inference.bundle import ONNX, README, WEIGHTS
from karyoscope.inference.container import CARD, FORMAT
from karyoscope.inference.restain_bundle import RestainCard
from karyoscope.networks.restainnet import Restained
from karyoscope.training.bundle.graph import with_half_weights, write_onnx
from karyoscope.training.restain.module import RestainModule
from karyoscope.training.restain.tiles import Target


def export_restainer(module: RestainModule, target: Target, out: Path) -> Path:
    """Write the bundle of a trained RestainNet.

    Parameters
    ----------
    module : RestainModule
        Trained networks.
    target : Target
        The images that the network learned from.
    out : path
        Folder of the bundle; replaced as a whole.

    Raises
    ------
    KaryoscopeError
        If the graph's colours differ from torch's.
    """
    settings, network = module.settings, module.network.cpu().eval()
    restained = Restained(network).eval()
    graph, _ = write_onnx(restained)  # type: ignore[arg-type]  # all that is asked is strides()
    graph = with_half_weights(graph)
    _check_colours(graph, restained)
    weights = {k: v.contiguous() for k, v in network.state_dict().items()}
    description = f"Re-stains H&E as {len(target.names)} images are stained."
    readme = f"# {settings.name}\n\n{description}\n\nLicence: {settings.licence}\n"
    files = {ONNX: graph, WEIGHTS: save(weights), README: readme.encode()}
    card: dict[str, Any] = {
        "format": FORMAT,
        "kind": "restain",
        "name": settings.name,
        "version": settings.version,
        "description": description,
        "licence": settings.licence,
        "mpp": settings.mpp,
        "input": {"multiple_of": network.multiple_of, "context": network.context},
        "density": round(target.density, 6),
        "network": {
            "name": "restainnet",
            "options": {"width": settings.width, "levels": settings.levels},
        },
        "training": {"target": target.names, **settings.model_dump(exclude={"name", "licence"})},
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    checked = RestainCard.model_validate(card).model_dump(mode="json")
    text = dump_yaml(checked)
    return write_folder(out, files | {CARD: text.encode()})


def _check_colours(graph: bytes, module: Restained) -> None:
    """Refuse a graph whose colours are off by more than a grey level on average, or 4 anywhere."""
    from karyoscope.core.openvino_offline import ov

    core = ov.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(graph), "CPU", config)
    images = np.random.default_rng(1).integers(0, 256, (1, 96, 160, 3), np.uint8)
    with torch.no_grad():
        expected = module(torch.from_numpy(images))["rgb"].numpy()
    off = 255 * np.abs(compiled(images)[0] - expected)
    if off.mean() > 1 or off.max() > 4:
        raise KaryoscopeError(
            f"the exported graph's colours differ from torch's by {off.max():.1f}"
        )
