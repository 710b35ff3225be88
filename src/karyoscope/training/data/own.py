"""A folder of annotated images as the data of a recipe: layout, classes, scale, split."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Record, Sample, open_dataset
from karyoscope.datasets.resample import stated_scale
from karyoscope.datasets.split import Split, count_nuclei, read_split, split_records, write_split

_log = logging.getLogger(__name__)

SPLIT = "split.json"
_VALIDATION = ("validation", "val", "valid")
#: Shares of the parts; from as many sources on there is one to test on.
_SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
_SOURCES_FOR_TEST = 6


def own_data(
    folder: Path,
    out: Path,
    *,
    layout: str | None = None,
    classes: str | None = None,
    mpp: float | None = None,
    split: Path | None = None,
    part: str | None = None,
) -> dict[str, Any]:
    """Keys of a recipe that trains on a folder of annotated images.

    Every image is read once. Where no split is given, the parts that the folder names (``train``,
    ``val``, ``test``) are used; where it names none, its sources are dealt out, balanced over the
    classes: 70 % to train, 15 % to validate and 15 % to test, or 80 % and 20 % where there are
    fewer than six sources. The split is written to ``out``.

    Parameters
    ----------
    folder : path
    out : path
        Folder of the run.
    layout, classes, mpp
        What cannot be recognised: the layout, the taxonomy of the class ids (name or file), and
        micrometres per pixel.
    split : path, optional
        File of ``karyoscope data split``.
    part : str, optional
        Its part to validate on; ``validation`` where it is not given.

    Returns
    -------
    dict
        ``data``, ``validation`` and, unless the images have no classes, ``taxonomy``.

    Raises
    ------
    KaryoscopeError
        If the layout, the scale or the classes are not known, no image can be used, or there are
        too few sources.
    """
    taxonomy = None if classes is None else Taxonomy.load(classes)
    dataset = open_dataset(folder, layout, taxonomy=taxonomy, mpp=mpp)
    source: dict[str, Any] = {"path": str(folder), "dataset": dataset.name}
    source |= {} if mpp is None else {"mpp": mpp}
    source |= {} if taxonomy is None else {"taxonomy": taxonomy.to_dict()}
    path, part = _split_of(dataset, folder, out, split, part)
    keys: dict[str, Any] = {"data": [source], "validation": {"split": str(path), "part": part}}
    names = "none: those of the model stay"
    if dataset.taxonomy.name != "nucleus":
        keys["taxonomy"] = _numbered(dataset.taxonomy).to_dict()
        names = ", ".join(dataset.taxonomy.names)
    _log.info(
        "%s: layout %s, %s µm/px, %d images, classes %s",
        folder, dataset.name, _scale(dataset), len(dataset), names,
    )  # fmt: skip
    _log.info("%s: %s", path, _shares_of(read_split(path)))
    return keys


def _numbered(taxonomy: Taxonomy) -> Taxonomy:
    """The same classes with ids from 1 without gaps, as a network has them."""
    classes = tuple(replace(c, id=i) for i, c in enumerate(taxonomy.classes, start=1))
    return replace(taxonomy, classes=classes)


def _split_of(
    dataset: Dataset, folder: Path, out: Path, split: Path | None, part: str | None
) -> tuple[Path, str]:
    """The file of the split and its part to validate on; written where none is given."""
    if split is not None:
        return split, part or "validation"
    counts = count_nuclei(dataset, _check_scale)
    records = dataset.records
    if not records:
        first = dataset.problems[0] if dataset.problems else "there are none"
        raise KaryoscopeError(f"{folder}: no image can be used: {first}")
    if dataset.problems:
        _log.warning("left out: %s", "; ".join(dataset.problems))
    named = {record.split.lower() for record in records}
    published = next((name for name in _VALIDATION if name in named), None)
    if published is not None and "train" in named:
        made = _published(records)
        part = part or published
    else:
        sources = len({record.source for record in records})
        if sources < 2:
            raise KaryoscopeError(
                f"all {len(records)} images have one source, {records[0].source!r}: nothing is"
                " left to validate on; name sources in records.csv, or give --split"
            )
        three = sources >= _SOURCES_FOR_TEST
        shares = _SHARES if three else {"train": 0.8, "validation": 0.2}
        made = split_records(records, counts, dataset.taxonomy, shares)
        part = part or "validation"
    out.mkdir(parents=True, exist_ok=True)
    write_split(made, out / SPLIT)
    return out / SPLIT, part


def _published(records: list[Record]) -> Split:
    """The parts that the folder names."""
    parts: dict[str, list[str]] = {}
    for record in records:
        parts.setdefault(record.split.lower() or "train", []).append(record.name)
    shares = {name: len(names) / len(records) for name, names in parts.items()}
    counts = {
        name: {"images": len(names), "sources": len(names), "cohorts": {}, "classes": {}}
        for name, names in parts.items()
    }
    return Split(parts, shares, 0, counts)


def _check_scale(sample: Sample) -> None:
    if math.isnan(sample.mpp):
        raise KaryoscopeError(
            f"{sample.record.name}: micrometres per pixel unknown; give --mpp, or write mpp: to"
            " dataset.yaml"
        )


def _scale(dataset: Dataset) -> str:
    stated = stated_scale(dataset)
    return "several" if math.isnan(stated) else f"{stated:g}"


def _shares_of(split: Split) -> str:
    return ", ".join(f"{len(names)} images to {part}" for part, names in split.parts.items())
