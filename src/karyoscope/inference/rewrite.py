"""A bundle with another card: tuned parameters, measured scores, a new text for people."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import yaml

from karyoscope.inference.bundle import CARD, ONNX, README, WEIGHTS, Bundle, ModelCard


def rewrite_bundle(
    bundle: Bundle, out: Path, changes: dict[str, Any], readme: str | None = None
) -> Path:
    """Write a copy of a bundle whose card has other values.

    Parameters
    ----------
    bundle : Bundle
    out : path
        Folder; replaced as a whole, and may be the bundle itself.
    changes : dict
        Values of :class:`ModelCard`, such as ``postprocessing`` and ``scores``.
    readme : str, optional
        New text of the model card for people.

    Returns
    -------
    path
        The folder.
    """
    files = {name: bundle.read(name) for name in (ONNX, WEIGHTS, README)}
    if readme is not None:
        files[README] = readme.encode()
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    data = bundle.card.model_dump(mode="json") | changes | {"files": digests}
    card = ModelCard.model_validate(data).model_dump(mode="json")
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True)
    return write_files(out, files | {CARD: text.encode()})


def write_files(out: Path, files: dict[str, bytes]) -> Path:
    """Write the files of a bundle under another name, then put the folder in its place."""
    staging = out.with_name(out.name + ".partial")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for name, data in files.items():
        (staging / name).write_bytes(data)
    shutil.rmtree(out, ignore_errors=True)
    staging.rename(out)
    return out
