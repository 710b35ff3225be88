"""Slides that are fetched before they are run, and results that are copied elsewhere after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from karyoscope.core.addresses import is_address
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.mirror import Mirror
from karyoscope.core.remote_cache import fetch, release
from karyoscope.formats import WRITERS
from karyoscope.formats.cohort import NAME as COHORT
from karyoscope.formats.cohort import SAMPLES
from karyoscope.pipeline.batch.result import BatchListener, BatchResult, SlideResult
from karyoscope.pipeline.options import SegmentOptions
from karyoscope.pipeline.preview import PREVIEW_SUFFIX
from karyoscope.pipeline.runs.results import read_summary
from karyoscope.pipeline.runs.run import Run

_SUMMARY = WRITERS["summary"].suffix


def with_fetched(options: SegmentOptions) -> SegmentOptions:
    """Options whose remote annotation files have been downloaded.

    Raises
    ------
    KaryoscopeError
        If one cannot be fetched.
    """
    changes: dict[str, Any] = {}
    for name in ("roi", "tissue", "annotations"):
        given = getattr(options, name)
        if isinstance(given, str) and is_address(given):
            changes[name] = fetch(given)
    return replace(options, **changes) if changes else options


def run_there(
    work: Callable[[], SlideResult], run: Run, address: str | None, mirror: Mirror | None
) -> SlideResult:
    """Run a slide that may be on remote storage, with results that may go to remote storage.

    Parameters
    ----------
    work : callable
        Runs it on this machine.
    run : Run
    address : str, optional
        Where the slide is fetched from.
    mirror : Mirror, optional
        Folder or address that the results are copied to.
    """
    try:
        if address is not None:
            fetch(address)
        if mirror is not None and not run.options.overwrite:
            _pull_results(mirror, run)
        result = work()
        if mirror is not None and result.summary is not None and result.status == "done":
            # The summary comes last: it vouches for the others.
            names = [run.name + PREVIEW_SUFFIX, *result.summary["files"], run.name + _SUMMARY]
            mirror.push(names)
        return result
    except KaryoscopeError as error:
        return SlideResult(run.path, "failed", error=str(error))
    finally:
        if address is not None:
            release(run.path)


def _pull_results(mirror: Mirror, run: Run) -> None:
    """Fetch the results of a slide, so that it is known whether they are done."""
    summary = run.name + _SUMMARY
    mirror.pull([summary])
    files = read_summary(mirror.folder / summary).get("files")
    mirror.pull(files if isinstance(files, dict) else [])


def pull_cohort(mirror: Mirror) -> None:
    """Download the files that the tables of the cohort are made of: summaries and rows of sheets.

    Raises
    ------
    KaryoscopeError
        If they cannot be read.
    """
    mirror.pull([n for n in mirror.names() if n.endswith(_SUMMARY) or n in (SAMPLES, COHORT)])


def push_cohort(mirror: Mirror, result: BatchResult, listener: BatchListener) -> None:
    """Copy the files of the cohort; where that fails, the result says so."""
    if not result.cohort:
        return
    try:
        mirror.push([SAMPLES, *(path.name for path in result.cohort)])
    except KaryoscopeError as error:
        result.problems_after.append(str(error))
        listener.problem(str(error))
