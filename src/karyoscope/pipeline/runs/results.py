"""Results of earlier runs, as their summaries describe them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from karyoscope.export import WRITERS
from karyoscope.export.base import partial_name


def finished_summary(
    out: Path, stem: str, formats: Sequence[str], settings: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the summary of a slide whose results are all there, or None.

    Parameters
    ----------
    out : Path
        Folder of the results.
    stem : str
        Name of the slide.
    formats : sequence of str
        Formats that have to be there.
    settings : mapping
        Settings that the results must have been made with.
    """
    targets = {name: out / (stem + WRITERS[name].suffix) for name in [*formats, "summary"]}
    if not all(p.exists() for n, target in targets.items() for p in WRITERS[n].paths(target)):
        return None
    summary = read_summary(targets["summary"])
    return summary if summary.get("run") == settings else None


def summary_path(out: Path, stem: str) -> Path:
    """Return where the summary of a slide is."""
    return out / (stem + WRITERS["summary"].suffix)


def was_being_renamed(out: Path, stem: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a run with these settings ended while its results were being renamed.

    The summary, complete under its partial name, says so: it is written last and renamed last.
    """
    return read_summary(partial_name(summary_path(out, stem))).get("run") == settings


def read_summary(path: Path) -> dict[str, Any]:
    """Return the content of a summary; empty where it is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_incomplete(summary: Mapping[str, Any]) -> bool:
    """Return whether some regions of a slide could not be read or analysed."""
    return bool(summary.get("unread_regions") or summary.get("failed_regions"))
