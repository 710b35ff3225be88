"""Train a RestainNet towards a set of images, and write its bundle."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import CSVLogger
from safetensors.torch import save
from torch.utils.data import DataLoader

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_folder
from karyoscope.core.yaml import dump_yaml
from karyoscope.inference.bundle import ONNX, README, WEIGHTS
from karyoscope.inference.container import CARD, FORMAT
from karyoscope.inference.restain_bundle import RestainCard
from karyoscope.networks.restainnet import Restained
from karyoscope.training.checkpoints import Checkpoints, last_checkpoint
from karyoscope.training.curves import summarise_log
from karyoscope.training.graph import with_half_weights, write_onnx
from karyoscope.training.restain_module import RestainModule
from karyoscope.training.restain_settings import RestainSettings
from karyoscope.training.restain_tiles import ColourTiles, Target

log = logging.getLogger(__name__)


def train_restainer(
    settings: RestainSettings,
    target: Target,
    out: Path,
    resume: bool = False,
    device: str = "auto",
) -> Path:
    """Train a RestainNet.

    Parameters
    ----------
    settings : RestainSettings
    target : Target
        Images to resemble; see :func:`~karyoscope.training.restain_tiles.read_target`.
    out : path
        Folder for the checkpoint, the log, the settings and the bundle.
    resume : bool
        Go on from ``out/last.ckpt``, at the step where it was written.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    path
        The bundle, ``out/bundle``.

    Raises
    ------
    KaryoscopeError
        If there is nothing to resume, or a run already.
    """
    last = last_checkpoint(out, resume)
    out.mkdir(parents=True, exist_ok=True)
    settings.write(out / "settings.yaml")
    L.seed_everything(settings.seed, verbose=False)
    module = RestainModule(settings)
    first = 0
    if resume:
        state = torch.load(last, map_location="cpu", weights_only=True)
        first = state["global_step"] // module.counted_per_step
    tiles = ColourTiles(target.images, settings.tile, settings.batch_size, settings.seed, first)
    log.info("%d images of %d files", len(target.images), len(target.names))
    trainer = _trainer(module, out, device, first)
    trainer.fit(
        module,
        DataLoader(tiles, batch_size=None),
        ckpt_path=last if resume else None,
        weights_only=True,
    )
    summarise_log(out)
    return export_restainer(module, target, out / "bundle")


def _trainer(module: RestainModule, out: Path, device: str, first: int) -> L.Trainer:
    return L.Trainer(
        default_root_dir=out,
        accelerator="gpu" if device == "cuda" else device,
        devices=1,
        max_steps=module.settings.steps * module.counted_per_step,
        callbacks=[Checkpoints(out)],
        # One log a start: Lightning would delete the log of the run that is resumed.
        logger=CSVLogger(out, "log", f"from-{first:07d}", flush_logs_every_n_steps=50),
        log_every_n_steps=50,
        enable_model_summary=False,
        enable_checkpointing=False,
    )


def export_restainer(module: RestainModule, target: Target, out: Path) -> Path:
    """Write the bundle of a trained RestainNet.

    Parameters
    ----------
    module : RestainModule
    target : Target
        What it learned from.
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
    import openvino as ov

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
