"""Slides among what a user names; what earlier runs wrote beside them is left out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from karyoscope.core.addresses import above, files_at, is_address
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.remote_cache import fetch, place_of
from karyoscope.formats import WRITERS
from karyoscope.pipeline.preview import PREVIEW_SUFFIX
from karyoscope.slides import find_slides
from karyoscope.slides.discover import SUFFIXES
from karyoscope.slides.sheet import Sample, is_sheet, read_sheet

#: Pictures of version 0.1.
_FORMER_SUFFIXES = (".overlay.png",)


@dataclass(frozen=True)
class Input:
    """A slide of a batch.

    Attributes
    ----------
    path : Path
    options : mapping of str to object
        Options of this slide alone, by name, from a sample sheet.
    address : str
        Address that the file is downloaded from; empty for a file of this machine.
    columns : mapping of str to str, optional
        Further columns of its row in the sample sheet; None if it is in no sheet.
    problem : str
        Why the row of a sheet cannot be run, with sheet and row; empty if it can.
    """

    path: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] | None = None
    address: str = ""
    problem: str = ""


def find_inputs(
    inputs: Sequence[str | Path], recursive: bool = False
) -> tuple[list[Input], list[str], list[Input]]:
    """Expand files, folders, globs and sample sheets, without the images that earlier runs wrote.

    Parameters
    ----------
    inputs : sequence of str or path
        What the user named; a file that is named itself is taken, whatever it is. A ``.csv`` or
        ``.tsv`` is a sample sheet; see :func:`karyoscope.slides.sheet.read_sheet`. An address
        (``https://``, ``s3://``) names a file, with ``*`` several, with ``/`` at its end a folder.
    recursive : bool
        Take what lies in the folders of a folder, too.

    Returns
    -------
    slides : list of Input
        Each once: sorted, those of sample sheets after the others and in their order.
    problems : list of str
        One line for each input, or row of a sheet, that gives nothing.
    refused : list of Input
        The rows among these that name a slide, each with its ``problem``.
    """
    sheets = [given for given in inputs if is_sheet(given)]
    elsewhere = [str(given) for given in inputs if is_address(given) and not is_sheet(given)]
    others = [given for given in inputs if not is_sheet(given) and not is_address(given)]
    found, problems = find_slides(others, recursive)
    named = {Path(given) for given in others}
    slides = [Input(path) for path in found if path in named or not _is_result(path)]
    refused: list[Input] = []
    for address in elsewhere:
        remote, line = _remote(address)
        slides += remote
        problems += [line] if line else []
    for sheet in sheets:
        try:
            base = above(str(sheet)) if is_address(sheet) else ""
            samples, lines = read_sheet(local(str(sheet)), base)
        except KaryoscopeError as error:
            problems.append(str(error))
            continue
        problems += [bad.line for bad in lines]
        refused += [
            Input(Path(bad.path), {}, bad.columns, problem=bad.line) for bad in lines if bad.path
        ]
        for sample in samples:
            one, line = _slide_of(sample)
            slides += one
            if line:
                why = f"{sheet}, row {sample.row}: {line}"
                problems.append(why)
                refused.append(Input(Path(sample.path), {}, sample.columns, problem=why))
    once, twice = _each_once(slides)
    return once, [*problems, *twice], refused


def _slide_of(sample: Sample) -> tuple[list[Input], str]:
    """The slide of a row, or why there is none."""
    try:
        options = {name: _here(value) for name, value in sample.options.items()}
        if is_address(sample.path):
            where = place_of(sample.path)
            return [Input(where, options, sample.columns, sample.path)], ""
    except KaryoscopeError as error:
        return [], str(error)
    found, lines = find_slides([sample.path])
    if lines:
        return [], lines[0]
    if len(found) > 1:
        return [], f"{sample.path} holds {len(found)} slides; a row is one"
    for name in ("annotations", "tissue", "roi"):
        file = options.get(name)
        if isinstance(file, str) and file not in ("auto", "none") and not os.path.isfile(file):
            return [], f"{name} {file} is no file"
    return [Input(found[0], options, sample.columns)], ""


def _here(value: Any) -> Any:
    """Fetch a small file, such as annotations; all else as it is."""
    return str(fetch(value)) if isinstance(value, str) and is_address(value) else value


def local(given: str) -> str:
    """Path of what was given: of the fetched file, where that is an address."""
    return str(_here(given))


def _remote(address: str) -> tuple[list[Input], str]:
    """Slides at an address, or why there are none."""
    try:
        files = files_at(address)
        if files != [address]:
            files = [one for one in files if one.lower().endswith(tuple(SUFFIXES))]
        slides = [Input(place_of(one), address=one) for one in files]
    except KaryoscopeError as error:
        return [], str(error)
    return slides, "" if slides else f"{address} holds no slide"


def _each_once(slides: Sequence[Input]) -> tuple[list[Input], list[str]]:
    """Slides by path, and a line for each that is in two rows of sheets.

    A row of a sheet counts before the slide that was named without it.
    """
    chosen: dict[str, Input] = {}
    twice: list[str] = []
    for slide in slides:
        key = os.path.abspath(slide.path)
        if key not in chosen or chosen[key].columns is None:
            chosen[key] = slide
        elif slide.columns is not None:
            twice.append(f"{slide.path} is in two rows of sample sheets; the first counts")
    return list(chosen.values()), twice


def _is_result(path: Path) -> bool:
    """Return whether an earlier run wrote an image, in case its folder is the input's."""
    written = [PREVIEW_SUFFIX, *_FORMER_SUFFIXES, *(writer.suffix for writer in WRITERS.values())]
    suffixes = [suffix for suffix in written if path.name.endswith(suffix)]
    return any(
        path.with_name(path.name.removesuffix(suffix) + WRITERS["summary"].suffix).exists()
        for suffix in suffixes
    )
