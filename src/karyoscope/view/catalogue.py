"""What was opened: slides, and the results that belong to each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.text import for_terminal
from karyoscope.formats import ExportContext, read_context
from karyoscope.formats.cohort import cohort_rows
from karyoscope.slides import Slide, find_slides, open_slide
from karyoscope.view.table import InMemory, Source

_TABLE, _SUMMARY = ".parquet", ".summary.json"


@dataclass
class SlideEntry:
    """One slide, whether or not its file was found.

    Attributes
    ----------
    key : str
        Names it in addresses.
    name : str
        Name of the file.
    path : Path or None
        The file; None where it was not found.
    slide : Slide or None
        Pixels that lie in memory.
    mpp : float or None
        Pixel size that is taken where the file does not state one.
    problem : str
        Why there are no pixels; empty where there are.
    load : callable, optional
        Opens an annotated image of a dataset.
    """

    key: str
    name: str
    path: Path | None = None
    slide: Slide | None = None
    mpp: float | None = None
    problem: str = ""
    load: Callable[[], Slide] | None = None

    def open(self) -> Slide:
        """Open the slide.

        Raises
        ------
        KaryoscopeError
            If the file is missing or cannot be read.
        """
        if self.slide is not None:
            return self.slide
        if self.load is not None:
            return self.load()
        if self.path is None:
            raise KaryoscopeError(self.problem)
        if not self.path.exists():
            raise KaryoscopeError(f"{self.name} is no longer where it was: {self.path}")
        try:
            return open_slide(self.path)
        except KaryoscopeError:
            if self.mpp is None:
                raise
            return open_slide(self.path, self.mpp)


@dataclass
class ResultEntry:
    """The nuclei of one slide, by one model or one person.

    Attributes
    ----------
    key, slide : str
        Names it, and its slide, in addresses.
    name : str
        Name in the page.
    stem : str
        First part of the names of its files.
    folder : Path or None
        Where corrections and regions are kept; None in memory.
    source : Path, Source, callable or None
        Nuclei, or what reads them; None where they cannot be read.
    problem : str
        Why they cannot; empty where they can.
    annotated : bool
        Whether a person annotated them, so that others are scored against them.
    """

    key: str
    slide: str
    name: str
    stem: str
    folder: Path | None = None
    source: Path | Source | Callable[[], Source] | None = None
    problem: str = ""
    annotated: bool = False

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of the summary file; empty where there is none."""
        if self.folder is None:
            return {}
        try:
            found = json.loads((self.folder / (self.stem + _SUMMARY)).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


@dataclass
class Catalogue:
    """Slides and results by key, in the order they were named."""

    slides: dict[str, SlideEntry] = field(default_factory=dict)
    results: dict[str, ResultEntry] = field(default_factory=dict)
    cohort: list[dict[str, Any]] = field(default_factory=list)

    def add_slide(self, name: str, path: Path | None = None, **more: Any) -> SlideEntry:
        """Add a slide, or return the one of this name that is there."""
        for entry in self.slides.values():
            # An annotated image is known by its name without suffix.
            if entry.load is not None and entry.name == Path(name).stem:
                return entry
            if entry.name == name and (path is None or entry.path in (None, path)):
                entry.path = entry.path or path
                return entry
        entry = SlideEntry(f"s{len(self.slides)}", name, path, **more)
        self.slides[entry.key] = entry
        return entry

    def add_result(self, slide: SlideEntry, name: str, stem: str, **more: Any) -> ResultEntry:
        """Add a result of a slide."""
        taken = [r.name for r in self.results.values() if r.slide == slide.key]
        label = name if name not in taken else f"{name} ({len(taken) + 1})"
        entry = ResultEntry(f"r{len(self.results)}", slide.key, label, stem, **more)
        self.results[entry.key] = entry
        return entry

    def to_dict(self) -> dict[str, Any]:
        """Data of the catalogue for the page, without paths of files."""
        return {
            "slides": [
                {
                    "key": slide.key,
                    "name": for_terminal(slide.name),
                    "problem": slide.problem,
                    "results": [
                        {
                            "key": r.key,
                            "name": for_terminal(r.name),
                            "problem": r.problem,
                            "annotated": r.annotated,
                        }
                        for r in self.results.values()
                        if r.slide == slide.key
                    ],
                }
                for slide in self.slides.values()
            ],
            "cohort": self.cohort,
        }


def open_paths(
    paths: Iterable[str | Path], slides: Sequence[str | Path] = (), mpp: float | None = None
) -> Catalogue:
    """Find out what is to be shown.

    Parameters
    ----------
    paths : iterable of path
        Folders of results, GeoParquet files, slides, folders of slides, annotated datasets.
    slides : sequence of path
        Slides, or folders in which slides of the results are looked for. Without one they are
        looked for beside the results and in the current folder, one folder deep.
    mpp : float, optional
        Micrometres per pixel of images that do not state it.

    Raises
    ------
    KaryoscopeError
        If a path does not exist or holds nothing that can be shown.
    """
    catalogue = Catalogue()
    # Annotated images first: a prediction that is named before them is of one of them, too.
    named = sorted(map(Path, paths), key=lambda path: not _is_dataset(path))
    for path in named:
        if not path.exists():
            raise KaryoscopeError(f"{path} does not exist")
        if _is_dataset(path):
            add_dataset(catalogue, path, mpp)
        elif path.is_dir() and _stems(path):
            _add_folder(catalogue, path)
        elif path.suffix == _TABLE:
            _add_table(catalogue, path.parent, path.name.removesuffix(_TABLE))
        else:
            found, problems = find_slides([path])
            if problems:
                raise KaryoscopeError(f"{problems[0]}, and there is no result of karyoscope")
            for one in found:
                catalogue.add_slide(one.name, one, mpp=mpp)
    _find_pixels(catalogue, [Path(folder) for folder in slides], mpp)
    return catalogue


def add_dataset(catalogue: Catalogue, root: Path, mpp: float | None) -> None:
    """Add the images of a folder of annotated images, each with its annotation as a result."""
    # Late: what reads datasets takes 30 MB, and most servers show results alone.
    from karyoscope.datasets import open_dataset
    from karyoscope.view.annotated import AnnotatedImage

    dataset = open_dataset(root, mpp=mpp)
    for record in dataset.records:
        image = AnnotatedImage(dataset, record)
        slide = catalogue.add_slide(record.name, load=image.slide)
        name = f"annotation ({root.name})"
        catalogue.add_result(slide, name, record.name, source=image.nuclei, annotated=True)


def _is_dataset(path: Path) -> bool:
    if not path.is_dir() or _stems(path):
        return False
    from karyoscope.datasets import recognise

    try:
        recognise(path)
    except KaryoscopeError:
        return False
    return True


def in_memory(nuclei: Any, slide: Slide | None, context: ExportContext) -> Catalogue:
    """A catalogue of one table of nuclei and, where there is one, its slide."""
    catalogue = Catalogue()
    missing = "" if slide else "no slide was given: nuclei are shown without one"
    entry = catalogue.add_slide(context.slide, slide=slide, problem=missing)
    catalogue.add_result(entry, "nuclei", context.slide, source=InMemory(nuclei, context))
    return catalogue


def _stems(folder: Path) -> list[str]:
    names = [p.name for p in folder.iterdir() if not p.name.startswith(".")]
    found = {n.removesuffix(s) for n in names for s in (_TABLE, _SUMMARY) if n.endswith(s)}
    return sorted(found)


def _add_folder(catalogue: Catalogue, folder: Path) -> None:
    stems = _stems(folder)
    for stem in stems:
        _add_table(catalogue, folder, stem)
    if len(stems) > 1:
        rows = cohort_rows(folder)
        keys = {r.stem: r.slide for r in catalogue.results.values() if r.folder == folder}
        catalogue.cohort += [row | {"key": keys.get(row["result"], "")} for row in rows]


def _add_table(catalogue: Catalogue, folder: Path, stem: str) -> None:
    path = folder / (stem + _TABLE)
    try:
        if not path.exists():
            raise KaryoscopeError(
                f"{stem} has no {stem}{_TABLE}: run `karyoscope segment` with --format parquet"
            )
        context = read_context(path)
    except KaryoscopeError as error:
        slide = catalogue.add_slide(stem)
        catalogue.add_result(slide, folder.name, stem, folder=folder, problem=str(error))
        return
    slide = catalogue.add_slide(context.slide)
    slide.mpp = slide.mpp or context.mpp
    catalogue.add_result(slide, folder.name or stem, stem, folder=folder, source=path)


def _find_pixels(catalogue: Catalogue, given: list[Path], mpp: float | None) -> None:
    """Look for the files of slides that results name."""
    for entry in catalogue.slides.values():
        if entry.path is not None or entry.slide is not None or entry.load is not None:
            continue
        results = [r for r in catalogue.results.values() if r.slide == entry.key]
        folders = [r.folder.resolve() for r in results if r.folder]
        places = given or [p for f in folders for p in (f, f.parent)] + [Path.cwd()]
        size = next((s for r in results if (s := _recorded_size(r)) is not None), None)
        entry.mpp = mpp or entry.mpp
        entry.path = look_for(entry.name, places, size)
        if entry.path is None:
            where = "in --slides" if given else "beside the results or in the current folder"
            entry.problem = (
                f"the slide {entry.name} was not found {where}; name its folder with --slides"
            )


def _recorded_size(result: ResultEntry) -> int | None:
    size = result.summary.get("run", {}).get("slide", {}).get("size")
    return size if isinstance(size, int) and size > 0 else None


def look_for(name: str, places: Sequence[Path], size: int | None) -> Path | None:
    """A file of this name, and of this size where that is known; one folder deep."""
    if name in ("", ".", "..") or Path(name).name != name:
        return None  # a name that leads elsewhere
    for place in places:
        try:
            inside = [p for p in place.iterdir() if p.is_dir()] if place.is_dir() else []
        except OSError:
            inside = []
        candidates = [place] if place.name == name else []
        for path in [*candidates, place / name, *(folder / name for folder in sorted(inside))]:
            if path.is_dir() or (path.is_file() and size in (None, path.stat().st_size)):
                return path
    return None
