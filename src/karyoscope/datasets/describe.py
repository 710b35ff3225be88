"""``dataset.yaml`` and ``records.csv``: metadata of a folder of images.

Both files are optional beside any layout. ``dataset.yaml`` may give ``layout`` (a name of the
registry), ``mpp`` (micrometres per pixel) and ``taxonomy`` (a shipped name, or the classes
written out as in a taxonomy file). ``records.csv`` has the columns name, source, cohort, split,
and mpp where images differ in scale.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.yaml import dump_yaml, read_yaml
from karyoscope.datasets.base import Record
from karyoscope.datasets.files import read_table

DESCRIPTION = "dataset.yaml"
RECORDS = "records.csv"
_COLUMNS = ("name", "source", "cohort", "split")


@dataclass(frozen=True)
class Description:
    """Content of ``dataset.yaml`` and ``records.csv``; None or empty for what is not stated.

    An ``mpp`` of NaN means that the file calls it unknown.
    """

    layout: str | None = None
    mpp: float | None = None
    taxonomy: Taxonomy | None = None
    records: dict[str, Record] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    """Micrometres per pixel of single images, by name."""


def read_description(root: Path) -> Description:
    """Read ``dataset.yaml`` and ``records.csv`` of a folder, if they exist.

    Raises
    ------
    KaryoscopeError
        If one of them is damaged.
    """
    data = _read_yaml(root / DESCRIPTION)
    taxonomy, mpp = data.get("taxonomy"), data.get("mpp")
    if isinstance(taxonomy, dict):
        taxonomy = Taxonomy.from_dict(taxonomy)
    elif taxonomy is not None:
        own = root / str(taxonomy)
        taxonomy = Taxonomy.load(own if own.is_file() else str(taxonomy))
    if "mpp" in data and mpp is None:
        mpp = math.nan
    elif mpp is not None and (type(mpp) not in (int, float) or not 0 < mpp < math.inf):
        raise KaryoscopeError(f"{root / DESCRIPTION}: mpp must be a positive number, not {mpp!r}")
    return Description(data.get("layout"), mpp, taxonomy, *_read_records(root / RECORDS))


def write_description(
    root: Path, layout: str, taxonomy: Taxonomy, records: Sequence[tuple[Record, float]]
) -> None:
    """Write both files.

    Parameters
    ----------
    root, layout, taxonomy
        Folder, name of its layout, classes.
    records : sequence of (Record, float)
        Every image and its micrometres per pixel, NaN where unknown.
    """
    known = Counter(mpp for _, mpp in records if not math.isnan(mpp))
    # An unknown scale is written as such, or the layout's published one would take its place.
    mpp = float(known.most_common(1)[0][0]) if known else None
    data = {"layout": layout, "mpp": mpp, "taxonomy": taxonomy.to_dict()}
    text = dump_yaml(data)
    (root / DESCRIPTION).write_text(text, encoding="utf-8")
    with (root / RECORDS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        one_scale = len(known) < 2
        writer.writerow(_COLUMNS if one_scale else (*_COLUMNS, "mpp"))
        for r, mpp in records:
            row = (r.name, r.source, r.cohort, r.split)
            writer.writerow(row if one_scale else (*row, mpp))


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    data = read_yaml(path) or {}
    if not isinstance(data, dict):
        raise KaryoscopeError(f"{path}: must hold names and values, such as mpp: 0.5")
    return data


def _read_records(path: Path) -> tuple[dict[str, Record], dict[str, float]]:
    records = {}
    scales = {}
    for row in read_table(path, "name"):
        name, source, cohort, split = (row.get(c) or "" for c in _COLUMNS)
        if name in records:
            raise KaryoscopeError(f"{path}: {name!r} is in two rows")
        records[name] = Record(name, source or name, cohort, split)
        if row.get("mpp"):
            try:
                scales[name] = float(row["mpp"])
            except ValueError as error:
                raise KaryoscopeError(f"{path}: mpp {row['mpp']!r} is not a number") from error
    return records, scales
