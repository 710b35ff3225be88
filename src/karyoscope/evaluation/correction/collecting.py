"""Corrected annotations of slides as a set of annotated images: what was reviewed is the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.core.geojson import Feature, areas_of, read_features
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.datasets.convert import check_free
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.palette import taxonomy_of
from karyoscope.datasets.reviewed import reviewed_sample
from karyoscope.slides import open_slide

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_REVIEWED = "reviewed"
#: Classes of annotations that are no nuclei.
_OTHERS = ("region", "ignore", "tissue", _REVIEWED)
#: Ending of the files of ``view --edit``, which hold all nuclei, so that none means none.
_WITH_NUCLEI = ".corrected.geojson"
_ENDINGS = (_WITH_NUCLEI, ".regions.geojson", ".geojson", ".json")
_NO_SLIDES = (
    ".geojson",
    ".json",
    ".csv",
    ".parquet",
    ".html",
    ".yaml",
    ".txt",
    ".h5ad",
    ".jpg.xml",
)


@dataclass
class Collected:
    """Images that were collected from reviewed regions.

    Attributes
    ----------
    images, nuclei : int
        How many.
    problems : list of str
        Files of which nothing could be taken.
    """

    images: int = 0
    nuclei: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Corrected:
    """One file: its nuclei with the names of their classes, and its reviewed regions."""

    slide: Path
    nuclei: list[tuple[BaseGeometry, str]]
    regions: list[BaseGeometry]


def collect(
    corrected: Sequence[str | Path],
    out: str | Path,
    *,
    slides: str | Path | None = None,
    mpp: float | None = None,
    classes: str | Taxonomy | None = None,
    overwrite: bool = False,
) -> Collected:
    """Cut the reviewed regions of slides out, with their nuclei, as annotated images.

    An annotation of class ``Reviewed`` (or with the property ``reviewed``) is a region in which
    every nucleus is right and none is missing; the image is its bounding box, at the slide's own
    scale. Pixels outside the region, and nuclei whose centroid is, are neither trained on nor
    scored. All images of a slide have it as their source, so that no split divides them.

    Parameters
    ----------
    corrected : sequence of path
        GeoJSON files in pixels of level 0, named after their slides.
    out : path
        Folder to make, in the layout ``folder``.
    slides : path, optional
        Slide, or folder of the slides, where they do not lie beside the files.
    mpp : float, optional
        Micrometres per pixel of slides that do not state it.
    classes : str or Taxonomy, optional
        The classes; without it those whose names occur.
    overwrite : bool
        Replace a dataset that was written before.

    Returns
    -------
    Collected

    Raises
    ------
    KaryoscopeError
        If nothing at all can be taken, or ``out`` is in the way.
    """
    out, result = Path(out), Collected()
    check_free(out, overwrite)
    found: list[_Corrected] = []
    for path in map(Path, corrected):
        try:
            found.append(_read(path, None if slides is None else Path(slides)))
        except KaryoscopeError as error:
            result.problems.append(str(error))
    if isinstance(classes, str):
        classes = Taxonomy.load(classes)
    names = {name for one in found for _, name in one.nuclei if name}
    taxonomy = classes or taxonomy_of("corrected", names)
    with writing(out) as part:
        part.mkdir(parents=True)
        write_folder(_samples(found, taxonomy, mpp, result), part, taxonomy)
        if not result.images:
            raise KaryoscopeError(f"nothing collected: {'; '.join(result.problems) or 'no file'}")
    return result


def _read(path: Path, slides: Path | None) -> _Corrected:
    if not path.is_file():
        raise KaryoscopeError(f"{path}: no such file")
    nuclei, regions = [], []
    for feature in read_features(path):
        name = feature.class_name
        reviewed = name.startswith(_REVIEWED) or _marked(feature)
        geometry = None if name.startswith(_OTHERS) and not reviewed else feature.geometry(True)
        areas = None if geometry is None else areas_of(geometry)
        if areas is None or areas.is_empty:
            continue
        if reviewed:
            regions.append(areas)
        else:
            nuclei.append((areas, name))
    if not regions:
        raise KaryoscopeError(
            f"{path}: no region was reviewed; draw one around corrected nuclei, and give"
            " it the class Reviewed"
        )
    if not nuclei and not path.name.lower().endswith(_WITH_NUCLEI):
        # To read it as "there are no nuclei here" would train a model to find none.
        ending = next(e for e in (*_ENDINGS, "") if path.name.lower().endswith(e))
        stem = path.name[: len(path.name) - len(ending)]
        raise KaryoscopeError(
            f"{path} holds regions but no nuclei; use {stem}{_WITH_NUCLEI}, which"
            " `karyoscope view --edit` writes with regions and nuclei, or export all objects from"
            " QuPath, whose detections are the nuclei (if there are none, give the file that name)"
        )
    return _Corrected(_slide_of(path, slides), nuclei, regions)


def _marked(feature: Feature) -> bool:
    properties = feature.data.get("properties")
    return isinstance(properties, dict) and properties.get("reviewed") is True


def _slide_of(path: Path, slides: Path | None) -> Path:
    """The slide of a file, by its name."""
    if slides is not None and slides.is_file():
        return slides
    ending = next((e for e in _ENDINGS if path.name.lower().endswith(e)), path.suffix)
    stem = path.name[: -len(ending)]
    folder = path.parent if slides is None else slides
    found = [
        p
        for p in sorted(folder.glob("*"))
        if p.name.startswith(f"{stem}.")
        and p.stem == stem
        and not p.name.lower().endswith(_NO_SLIDES)
    ]
    if not found:
        raise KaryoscopeError(f"{path}: no slide called {stem} in {folder}; give --slides")
    return found[0]


def _samples(
    found: Sequence[_Corrected], taxonomy: Taxonomy, mpp: float | None, result: Collected
) -> Iterator[Sample]:
    for one in found:
        try:
            with open_slide(one.slide, mpp) as slide:
                for number, region in enumerate(one.regions, start=1):
                    label = f"{one.slide.name}: region {number}"
                    sample = reviewed_sample(
                        slide, one.slide.stem, region, number, one.nuclei, taxonomy, label
                    )
                    result.images += 1
                    result.nuclei += int(np.count_nonzero(np.unique(sample.inst_map)))
                    yield sample
        except KaryoscopeError as error:
            result.problems.append(str(error))
