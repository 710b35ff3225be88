"""The identity of a run: everything that its nuclei depend on, as plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from karyoscope.core.version import own_version
from karyoscope.inference import Model
from karyoscope.pipeline.options import SegmentOptions
from karyoscope.pipeline.stains.inputs import bundle_stain
from karyoscope.pipeline.tiling.blocks import LONGEST, LONGEST_OF_LARGE
from karyoscope.pipeline.tiling.plan import MARGIN_UM

_SAMPLE_BYTES = 1 << 16


def run_settings(path: Path, model: Model, options: SegmentOptions) -> dict[str, Any]:
    """Return all that the nuclei of a slide depend on, as plain data.

    Parameters
    ----------
    path : Path
        The slide. Its name, size, time and a sample of its bytes count, not its folder.
    model : Model
    options : SegmentOptions
        Options of the run. Where one is the path of a file, the content of the file counts.

    Returns
    -------
    dict
        Two runs with equal settings give the same nuclei.
    """
    card, stain = model.bundle.card, bundle_stain(model.bundle)
    settings = {
        "slide": _slide_identity(path),
        "model": {"name": card.name, "version": card.version, "sha256": model.bundle.digest()}
        # Left out where there is none, so that runs from before there were any can be resumed.
        | ({"stain": stain.identity} if stain else {}),
        "postprocessing": card.postprocessing.model_dump(),
        "engine": model.engine.device,
        "tta": model.tta,
        "software": own_version(),
        "densities": "per mm² of tissue",
        # Blocks of a run that was begun with other windows do not fit to those of this one.
        "windows": [LONGEST, LONGEST_OF_LARGE],
        "windows left out": f"nothing searched within {MARGIN_UM:g} µm",
        **{name: _plain(value) for name, value in options.identity().items()},
    }
    as_read_back: dict[str, Any] = json.loads(json.dumps(settings))
    return as_read_back


def run_id(settings: Mapping[str, Any]) -> str:
    """Digest of the settings of a run; the same for a copy of the slide."""
    slide = {name: value for name, value in settings["slide"].items() if name != "mtime_ns"}
    text = json.dumps({**settings, "slide": slide}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _slide_identity(path: Path) -> dict[str, Any]:
    """Return what tells a slide from another, or from itself after a change."""
    status = path.stat()
    # Files that belong to it: those of a folder, or of the folder beside an MRXS file.
    folder = path if path.is_dir() else path.with_suffix("")
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()) if folder.is_dir() and folder.name else []:
        part = file.stat()
        digest.update(f"{file.name} {part.st_size} {part.st_mtime_ns}\n".encode())
    if path.is_file():
        with path.open("rb") as opened:
            for at in (0, status.st_size // 2, max(0, status.st_size - _SAMPLE_BYTES)):
                opened.seek(at)
                digest.update(opened.read(_SAMPLE_BYTES))
    size = status.st_size if path.is_file() else 0
    name = path.name or path.resolve().name
    return {
        "name": name,
        "size": size,
        "mtime_ns": status.st_mtime_ns,
        "sample_sha256": digest.hexdigest(),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (str, Path)):
        path = Path(value)
        if path.is_file():
            return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        return str(value)
    return value
