"""Slides among what a user names; what earlier runs wrote beside them is left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from karyoscope.export import WRITERS
from karyoscope.pipeline.preview import PREVIEW_SUFFIX
from karyoscope.slides import find_slides


def find_inputs(inputs: Sequence[str | Path]) -> tuple[list[Path], list[str]]:
    """Expand files, folders and globs, without the images that earlier runs wrote.

    Parameters
    ----------
    inputs : sequence of str or path
        What the user named; a file that is named itself is taken, whatever it is.

    Returns
    -------
    slides : list of Path
        Sorted, each once.
    problems : list of str
        One line for each input that gives nothing.
    """
    found, problems = find_slides(inputs)
    named = {Path(given) for given in inputs}
    return [path for path in found if path in named or not _is_result(path)], problems


def _is_result(path: Path) -> bool:
    """Return whether an earlier run wrote an image, in case its folder is the input's."""
    written = [PREVIEW_SUFFIX, *(writer.suffix for writer in WRITERS.values())]
    suffixes = [suffix for suffix in written if path.name.endswith(suffix)]
    return any(
        path.with_name(path.name.removesuffix(suffix) + WRITERS["summary"].suffix).exists()
        for suffix in suffixes
    )
