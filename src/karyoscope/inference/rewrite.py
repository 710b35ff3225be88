"""A bundle with another card: tuned parameters, measured scores, a new text for people."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from karyoscope.core.files import write_folder
from karyoscope.core.yaml import dump_yaml
from karyoscope.inference.bundle import CARD, FORMAT, ONNX, README, WEIGHTS, Bundle, ModelCard
from karyoscope.inference.ensemble import Ensemble, EnsembleCard


def rewrite_bundle(
    bundle: Bundle,
    out: Path,
    changes: dict[str, Any],
    readme: str | None = None,
    graph: bytes | None = None,
) -> Path:
    """Write a copy of a bundle whose card has other values.

    Parameters
    ----------
    bundle : Bundle
        An ensemble is written with its members.
    out : path
        Folder; replaced as a whole, and may be the bundle itself.
    changes : dict
        Values of :class:`ModelCard`, such as ``postprocessing`` and ``scores``.
    readme : str, optional
        New text of the model card for people; an ensemble has none.
    graph : bytes, optional
        Another ``model.onnx``; of an ensemble, the members' stay.

    Returns
    -------
    path
        The folder.
    """
    if isinstance(bundle, Ensemble):
        return write_folder(out, _ensemble_files(bundle, changes))
    files = _files(bundle)
    if readme is not None:
        files[README] = readme.encode()
    if graph is not None:
        files[ONNX] = graph
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    data = bundle.card.model_dump(mode="json") | changes | {"files": digests}
    card = ModelCard.model_validate(data).model_dump(mode="json")
    return write_folder(out, files | {CARD: _yaml(card)})


def _files(bundle: Bundle) -> dict[str, bytes]:
    return {name: bundle.read(name) for name in bundle.card.files or (ONNX, WEIGHTS, README)}


def _ensemble_files(bundle: Ensemble, changes: dict[str, Any]) -> dict[str, bytes]:
    """Files of an ensemble and of its members, each in a folder of its name."""
    files: dict[str, bytes] = {}
    folders: list[str] = []
    for number, member in enumerate(bundle.members, 1):
        folder = re.sub(r"[^A-Za-z0-9_.-]|^[.-]", "_", member.card.name) or "member"
        folders.append(f"{folder}-{number}" if folder in folders else folder)
        parts = _files(member) | {CARD: _yaml(member.card.model_dump(mode="json"))}
        files |= {f"{folders[-1]}/{name}": data for name, data in parts.items()}
    own = bundle.card.model_dump(mode="json", include=set(EnsembleCard.model_fields)) | changes
    own |= {"format": FORMAT, "kind": "ensemble", "members": folders}
    card = EnsembleCard.model_validate(own).model_dump(mode="json")
    return files | {CARD: _yaml(card)}


def _yaml(card: dict[str, Any]) -> bytes:
    # Left out where there is none, so that earlier versions read the bundle.
    unused = [key for key in ("plugins", "packages", "steadiness") if not card.get(key)]
    return dump_yaml({key: value for key, value in card.items() if key not in unused}).encode()
