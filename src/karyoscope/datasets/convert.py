"""From any layout that can be read to any layout that can be written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Dataset, Sample
from karyoscope.datasets.conic_patches import write_conic
from karyoscope.datasets.consep import write_consep
from karyoscope.datasets.describe import DESCRIPTION
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.geojson import write_geojson
from karyoscope.datasets.lizard import write_lizard

Writer = Callable[[Iterable[Sample], Path, Taxonomy], None]


@dataclass(frozen=True)
class Layout:
    """How a layout is written, and whether it has a place for points and ignored pixels."""

    write: Writer
    keeps_all: bool = False


LAYOUTS: dict[str, Layout] = {
    "folder": Layout(write_folder, keeps_all=True),
    "geojson": Layout(write_geojson, keeps_all=True),
    "conic": Layout(write_conic),
    "lizard": Layout(write_lizard),
    "consep": Layout(write_consep),
}


@dataclass
class Conversion:
    """What was written.

    Attributes
    ----------
    images, nuclei : int
        How many.
    notes : list of str
        Properties of the images that the layout cannot hold.
    problems : list of str
        Images that could not be read.
    """

    images: int = 0
    nuclei: int = 0
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def convert(
    dataset: Dataset,
    layout: str,
    out: str | Path,
    *,
    overwrite: bool = False,
    watch: Callable[[Sample], None] = lambda sample: None,
) -> Conversion:
    """Write a dataset in another layout, losing no pixel of image or outline.

    Images that were cut into patches are put together first. The result appears under its name
    only when it is complete.

    Parameters
    ----------
    dataset : Dataset
        Images to write; unreadable ones are reported in the result and left out.
    layout : str
        One of ``LAYOUTS``.
    out : path
        Folder to make.
    overwrite : bool
        Replace ``out`` if it is a dataset that was written here before.
    watch : callable, optional
        Called with each sample, for progress.

    Raises
    ------
    KaryoscopeError
        If the layout cannot be written, ``out`` is in the way, the dataset has points and the
        layout no place for them, or no image can be read.
    """
    if layout not in LAYOUTS:
        raise KaryoscopeError(f"cannot write layout {layout!r}; there are {', '.join(LAYOUTS)}")
    out = Path(out)
    check_free(out, overwrite)
    whole = dataset.whole()
    result = Conversion()
    with writing(out) as part:
        part.mkdir(parents=True)
        LAYOUTS[layout].write(_counted(whole, layout, result, watch), part, whole.taxonomy)
        result.problems += whole.problems
        if not result.images:
            raise KaryoscopeError(f"no image could be read: {'; '.join(result.problems)}")
    return result


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse a folder with other contents than a dataset of karyoscope that may be replaced.

    Raises
    ------
    KaryoscopeError
        If it is in the way.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    # Never remove a folder of something else.
    ours = out.is_dir() and (out / DESCRIPTION).is_file()
    if not overwrite:
        raise KaryoscopeError(f"{out} exists; give another --out or --overwrite")
    if not ours:
        raise KaryoscopeError(f"{out} exists and is not a dataset written here; it is not replaced")


def _counted(
    samples: Iterable[Sample],
    layout: str,
    result: Conversion,
    watch: Callable[[Sample], None],
) -> Iterator[Sample]:
    for sample in samples:
        result.images += 1
        result.nuclei += int(np.count_nonzero(np.unique(sample.inst_map)))
        if not LAYOUTS[layout].keeps_all:
            if sample.points is not None:
                raise KaryoscopeError(
                    f"layout {layout} has no place for points; convert to folder or geojson"
                )
            if sample.ignore is not None:
                result.notes.append(
                    f"{sample.record.name}: ignored pixels have no place in {layout}"
                )
        yield sample
        watch(sample)
