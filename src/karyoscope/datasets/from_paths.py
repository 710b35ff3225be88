"""Annotated images named by path: one call inspects, converts or divides them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import open_dataset
from karyoscope.datasets.base import Dataset, Sample
from karyoscope.datasets.convert import Conversion, convert
from karyoscope.datasets.inspect import Inspection, inspect_dataset
from karyoscope.datasets.merge import merge_classes
from karyoscope.datasets.resample import AtScale, resampled
from karyoscope.datasets.sheet import ContactSheet
from karyoscope.datasets.split import (
    Split,
    apply_split,
    cohorts_of,
    count_nuclei,
    leave_out,
    read_split,
    split_records,
    write_split,
)
from karyoscope.datasets.writing import write_png

Begin = Callable[[int], None]
Watch = Callable[[Sample], None]

ALL = "all"
"""In place of a cohort: each in turn."""

FRACTIONS = {"train": 0.8, "validation": 0.2}
"""The parts of a split for which no others are given."""


def _no_begin(images: int) -> None:
    pass


def _no_watch(sample: Sample) -> None:
    pass


def _no_problem(line: str) -> None:
    pass


def inspect_images(
    source: Dataset | str | Path,
    sheet: str | Path | None = None,
    *,
    layout: str | None = None,
    classes: str | Taxonomy | None = None,
    mpp: float | None = None,
    sheet_images: int = 24,
    begin: Begin = _no_begin,
    watch: Watch = _no_watch,
) -> Inspection:
    """Count nuclei by class and image, find problems, and draw a contact sheet.

    This is what ``karyoscope data inspect`` does.

    Parameters
    ----------
    source : path or Dataset
        Folder of annotated images, or the result of :func:`karyoscope.datasets.open_dataset`.
    sheet : path, optional
        PNG file to write: some of the images, with outlines.
    layout : str, optional
        Layout of the folder, where it is not recognised; one of
        :data:`karyoscope.datasets.DATASETS`.
    classes : str or Taxonomy, optional
        Taxonomy of the class ids in a folder without one, or its name or file.
    mpp : float, optional
        Micrometres per pixel of the images, where they do not state it.
    sheet_images : int
        Number of images on the sheet, at most; they are spread evenly over the dataset.
    begin : callable
        Called once with the number of images.
    watch : callable
        Called with each image, for progress.

    Returns
    -------
    Inspection

    Raises
    ------
    KaryoscopeError
        If the folder cannot be opened, or a property of a folder is given for an open dataset.
    """
    dataset = _opened(source, layout, classes, mpp)
    picture = ContactSheet(dataset.taxonomy)
    step = max(1, -(-len(dataset) // sheet_images))
    chosen = {record.name for record in dataset.records[::step]}

    def add(sample: Sample) -> None:
        watch(sample)
        if sheet is not None and sample.record.name in chosen:
            picture.add(sample)

    begin(len(dataset))
    found = inspect_dataset(dataset, add)
    if sheet is not None:
        write_png(Path(sheet), picture.picture())
    return found


def convert_images(
    source: Dataset | str | Path,
    to: str,
    out: str | Path,
    *,
    layout: str | None = None,
    classes: str | Taxonomy | None = None,
    mpp: float | None = None,
    merge: str | Taxonomy | None = None,
    to_mpp: float | None = None,
    split: str | Path | None = None,
    overwrite: bool = False,
    begin: Begin = _no_begin,
    watch: Watch = _no_watch,
) -> Conversion:
    """Write annotated images in another layout, in other classes or at another pixel size.

    This is what ``karyoscope data convert`` does. Images that were cut into patches are put
    together first.

    Parameters
    ----------
    source : path or Dataset
        Folder of annotated images, or the result of :func:`karyoscope.datasets.open_dataset`.
    to : str
        Layout to write; a key of :data:`karyoscope.datasets.convert.LAYOUTS`.
    out : path
        Folder to make.
    layout, classes : str and Taxonomy, optional
        See :func:`inspect_images`.
    mpp : float, optional
        Micrometres per pixel of the images, where they do not state it.
    merge : str or Taxonomy, optional
        Classes to write, which those of the images are merged to: a taxonomy, or the name or file
        of one.
    to_mpp : float, optional
        Resample images and labels to this many micrometres per pixel.
    split : path, optional
        Record the parts of this split, which ``karyoscope data split`` wrote.
    overwrite : bool
        Replace a dataset that was written before.
    begin, watch : callable
        See :func:`inspect_images`.

    Returns
    -------
    Conversion

    Raises
    ------
    KaryoscopeError
        If something that is named cannot be used, ``out`` is in the way, or no image can be read.
    """
    dataset = _opened(source, layout, classes)
    chosen = (dataset if mpp is None else AtScale(dataset, mpp)).whole()
    if split is not None:
        apply_split(chosen, read_split(split))
    if merge is not None:
        chosen = merge_classes(chosen, Taxonomy.load(merge) if isinstance(merge, str) else merge)
    if to_mpp is not None:
        chosen = resampled(chosen, to_mpp)
    begin(len(chosen))
    return convert(chosen, to, out, overwrite=overwrite, watch=watch)


def split_images(
    source: Dataset | str | Path,
    fractions: Mapping[str, float] | int | None = None,
    out: str | Path | None = None,
    *,
    layout: str | None = None,
    classes: str | Taxonomy | None = None,
    mpp: float | None = None,
    by: Literal["source", "tile"] = "source",
    held_out: str | None = None,
    seed: int = 0,
    begin: Begin = _no_begin,
    watch: Watch = _no_watch,
    problem: Callable[[str], None] = _no_problem,
) -> dict[str, Split]:
    """Divide annotated images into parts that are balanced over classes and cohorts.

    This is what ``karyoscope data split`` does.

    Parameters
    ----------
    source : path or Dataset
        Folder of annotated images, or the result of :func:`karyoscope.datasets.open_dataset`.
    fractions : mapping of str to float, or int, optional
        Name and fraction of each part, or the number of equal parts, which are named "1", "2", ...;
        by default 0.8 for ``train`` and 0.2 for ``validation``. Not used if a cohort is held out.
    out : path, optional
        JSON file to write, or a folder for ``<cohort>.json`` where each cohort is held out in turn.
    layout, classes, mpp : str, Taxonomy and float, optional
        See :func:`inspect_images`.
    by : {"source", "tile"}
        Unit that is kept in one part.
    held_out : str, optional
        Cohort to validate on, with all others to train on; ``"all"`` for each in turn.
    seed : int
        The same seed gives the same split.
    begin, watch : callable
        See :func:`inspect_images`.
    problem : callable
        Called with one line for each image that is in no part, since it cannot be read.

    Returns
    -------
    dict of str to Split
        By the cohort that is held out; one split under ``""`` where none is.

    Raises
    ------
    KaryoscopeError
        If the folder cannot be opened, there are too few sources for the parts, or no such cohort.
    """
    dataset = _opened(source, layout, classes, mpp)
    # Before any pixel is read.
    cohorts = [] if held_out is None else cohorts_of(dataset.records)
    if held_out not in (None, ALL, *cohorts):
        raise KaryoscopeError(f"no cohort {held_out!r}; there are {', '.join(cohorts)}")
    begin(len(dataset))
    counts = count_nuclei(dataset, watch)
    about = (dataset.records, counts, dataset.taxonomy)
    if held_out is None:
        found = {"": split_records(*about, _parts(fractions), seed, by)}
    else:
        wanted = cohorts if held_out == ALL else [held_out]
        found = {cohort: leave_out(*about, cohort) for cohort in wanted}
    if out is not None:
        _write(found, Path(out), held_out == ALL)
    for line in dataset.problems:
        problem(line)
    return found


def _opened(
    source: Dataset | str | Path,
    layout: str | None,
    classes: str | Taxonomy | None,
    mpp: float | None = None,
) -> Dataset:
    if isinstance(source, Dataset):
        given = {"layout": layout, "classes": classes, "mpp": mpp}
        for name, value in given.items():
            if value is not None:
                raise KaryoscopeError(
                    f"{name} describes a folder; give it to open_dataset for an open dataset"
                )
        return source
    taxonomy = Taxonomy.load(classes) if isinstance(classes, str) else classes
    return open_dataset(source, layout, taxonomy=taxonomy, mpp=mpp)


def _parts(fractions: Mapping[str, float] | int | None) -> Mapping[str, float]:
    if isinstance(fractions, int):
        return {str(number): 1 / fractions for number in range(1, fractions + 1)}
    return FRACTIONS if fractions is None else fractions


def _write(splits: Mapping[str, Split], out: Path, in_folder: bool) -> None:
    """Write one file, or one for each cohort into a folder."""
    if in_folder:
        out.mkdir(parents=True, exist_ok=True)
    for cohort, split in splits.items():
        write_split(split, out / f"{cohort}.json" if in_folder else out)
