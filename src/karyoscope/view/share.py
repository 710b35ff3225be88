"""The page as a folder of files that any web server can show, without Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.view.answers import Answers
from karyoscope.view.app import PAGE, json_bytes, page_file
from karyoscope.view.workspace import Workspace

#: A folder of tiles that is larger is refused unless requested with a coarser finest level.
_MOST_TILES = 200_000


def write_shared(
    workspace: Workspace,
    folder: str | Path,
    *,
    overwrite: bool = False,
    begin: Callable[[int], None] = lambda files: None,
    watch: Callable[[str], None] = lambda name: None,
) -> int:
    """Write the page and all data that it loads as files.

    What needs the server stays out: regions are drawn but not measured, nothing is corrected, and
    filters act on outlines but not on densities.

    Parameters
    ----------
    workspace : Workspace
        Slides and results to write.
    folder : path
        Appears when it is complete.
    overwrite : bool
        Replace a folder that was written here before.
    begin : callable
        Called once with the number of files.
    watch : callable
        Called with the name of each file, after it was written.

    Returns
    -------
    int
        Files that were written.

    Raises
    ------
    KaryoscopeError
        If the folder is in the way or cannot be written, or nothing can be shown.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        if not overwrite:
            raise KaryoscopeError(f"{folder} exists; give another folder or --overwrite")
        if not (folder / "view.js").is_file():
            raise KaryoscopeError(f"{folder} was not written by karyoscope; it is not replaced")
    files = list(_files(workspace))
    if len(files) > _MOST_TILES:
        raise KaryoscopeError(
            f"this makes {len(files):,} files, more than {_MOST_TILES:,}; share fewer slides"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KaryoscopeError(f"cannot make {folder.parent}: {error.strerror}") from error
    begin(len(files))
    with writing(folder) as partial:
        partial.mkdir()
        for name, make in files:
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(make())
            watch(name)
    return len(files)


def _files(workspace: Workspace) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Names of the files, and what makes their content."""
    answers = Answers(workspace)
    for name, _ in PAGE.values():
        yield name, lambda name=name: page_file(name)  # type: ignore[misc]
    yield "data/catalogue.json", lambda: json_bytes(answers.catalogue() | {"shared": True})
    for key, entry in workspace.catalogue.slides.items():
        info = workspace.slide_info(key)
        yield f"data/slides/{key}/info.json", lambda info=info: json_bytes(info)  # type: ignore[misc]
        if not entry.problem and info["levels"]:
            yield from _slide_files(answers, key, info)
    for key, result in workspace.catalogue.results.items():
        if not result.problem:
            yield from _result_files(answers, key)


def _slide_files(answers: Answers, key: str, info: dict[str, Any]) -> Iterator[Any]:
    base = f"data/slides/{key}"
    yield f"{base}/thumbnail.jpg", lambda: answers.thumbnail(key)[0]
    for level in range(info["levels"]):
        span = info["tile"] * 2**level
        for row in range(math.ceil(info["height"] / span)):
            for column in range(math.ceil(info["width"] / span)):
                place = level, column, row
                yield (
                    f"{base}/tiles/{level}/{column}_{row}.jpg",
                    lambda place=place: answers.tile(key, *place)[0],
                )


def _result_files(answers: Answers, key: str) -> Iterator[Any]:
    base = f"data/results/{key}"
    info = answers.workspace.result_info(key)
    yield f"{base}/info.json", lambda: json_bytes(info)
    yield f"{base}/edits.json", lambda: json_bytes(answers.edits(key))
    yield f"{base}/regions.geojson", lambda: json_bytes(answers.regions(key))
    for column in info["columns"]:
        place = column["place"]
        yield (
            f"{base}/histograms/{place}.json",
            lambda place=place: json_bytes(answers.histogram(key, place)),
        )
    for row in range(info["down"]):
        for col in range(info["across"]):
            at = col, row
            yield f"{base}/nuclei/{col}_{row}.arrow", lambda at=at: answers.nuclei(key, *at)[0]
            for column in info["columns"]:
                place = column["place"]
                yield (
                    f"{base}/values/{place}/{col}_{row}.bin",
                    lambda place=place, at=at: answers.values(key, place, *at)[0],
                )
    for level in range(info["levels"]):
        for row in range(math.ceil(info["down"] / 2**level)):
            for col in range(math.ceil(info["across"] / 2**level)):
                at3 = level, col, row
                yield (
                    f"{base}/density/{level}/{col}_{row}.bin",
                    lambda at3=at3: answers.density(key, *at3)[0],
                )
