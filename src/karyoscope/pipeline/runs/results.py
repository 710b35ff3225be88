"""Results of earlier runs, as their summaries describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import digest_of, partials, read_json
from karyoscope.formats import WRITERS
from karyoscope.formats.summaries.summary import LARGEST as LARGEST_SUMMARY


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

    Raises
    ------
    KaryoscopeError
        If a file of these results is not as the run wrote it.
    """
    targets = {name: out / (stem + WRITERS[name].suffix) for name in [*formats, "summary"]}
    if not all(p.exists() for n, target in targets.items() for p in WRITERS[n].paths(target)):
        return None
    summary = read_summary(targets["summary"])
    if summary.get("run") != settings:
        return None
    for name in formats:
        for path in WRITERS[name].paths(targets[name]):
            _check_unchanged(path, summary.get("files"))
    return summary


def _check_unchanged(path: Path, files: Any) -> None:
    """Refuse a file that was cut or changed since; one that the summary does not list passes."""
    wrote = files.get(path.name) if isinstance(files, dict) else None
    if not isinstance(wrote, dict):
        return
    try:
        size, digest = digest_of(path)
    except OSError as error:
        raise KaryoscopeError(f"{path} cannot be read: {error.strerror or error}") from error
    if (size, digest) != (wrote.get("bytes"), wrote.get("sha256")):
        raise KaryoscopeError(
            f"{path} is not as its run wrote it ({size:,} bytes, {wrote.get('bytes')} then); use"
            " --overwrite to write the results again"
        )


def summary_path(out: Path, stem: str) -> Path:
    """Return where the summary of a slide is."""
    return out / (stem + WRITERS["summary"].suffix)


def was_being_renamed(out: Path, stem: str, settings: Mapping[str, Any]) -> bool:
    """Return whether a run with these settings ended while its results were being renamed.

    The summary, complete under its partial name, says so: it is written last and renamed last.
    """
    written = partials(summary_path(out, stem))
    return any(read_summary(partial).get("run") == settings for partial in written)


def read_summary(path: Path) -> dict[str, Any]:
    """Return the content of a summary; empty where it is missing or damaged."""
    try:
        found = read_json(path, LARGEST_SUMMARY)
    except KaryoscopeError:
        return {}
    return found if isinstance(found, dict) else {}


def is_incomplete(summary: Mapping[str, Any]) -> bool:
    """Return whether some regions of a slide could not be read or analysed."""
    return bool(summary.get("unread_regions") or summary.get("failed_regions"))
