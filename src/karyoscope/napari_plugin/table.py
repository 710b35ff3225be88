"""What layers show of each nucleus: its id, class, colour and features."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED

Color = tuple[int, int, int]

MOST_COLORS = 200_000
"""Nuclei of a label image that have the colours of their classes; more take napari long to load."""


@dataclass(frozen=True)
class NucleusTable:
    """Ids, classes, colours and features of ``n`` nuclei.

    Attributes
    ----------
    ids : ndarray of uint32, shape (n,)
        Ids of the nuclei in the files.
    classes : ndarray of str, shape (n,)
        Name of the class of each nucleus.
    colors : mapping of str to (int, int, int)
        Red, green and blue, 0 to 255, by name of the class; empty where they are unknown.
    columns : mapping of str to ndarray, shape (n,)
        Features by name.
    """

    ids: np.ndarray
    classes: np.ndarray
    colors: Mapping[str, Color]
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, nuclei: Nuclei) -> NucleusTable:
        """Return the table of nuclei in memory, with all their columns."""
        columns = nuclei.columns()
        kinds = (UNCLASSIFIED, *nuclei.taxonomy.classes)
        return cls(
            nuclei.id,
            columns["class"],
            {kind.name: kind.color for kind in kinds},
            {k: v for k, v in columns.items() if k not in ("id", "class")},
        )

    def features(self) -> dict[str, np.ndarray]:
        """Return one column for each feature, with ``id`` and ``class`` first."""
        return {"id": self.ids, "class": self.classes, **self.columns}

    def label_features(self) -> dict[str, np.ndarray]:
        """Return the features of a label image, where the column ``index`` holds the label."""
        return {"index": self.ids, **self.features()}

    def rgba(self) -> np.ndarray:
        """Return the colour of each nucleus: float32 in 0..1, shape (n, 4); grey if unknown."""
        names, place = np.unique(self.classes, return_inverse=True)
        palette = np.ones((len(names), 4), np.float32)
        for row, name in enumerate(names.tolist()):
            palette[row, :3] = np.array(self.colors.get(name, (128, 128, 128))) / 255
        return palette[place]

    def label_colors(self) -> dict[int | None, Any] | None:
        """Return the colour of each label as napari takes it; None if there are none to give."""
        if not self.colors or len(self) > MOST_COLORS:
            return None
        clear = np.zeros(4, np.float32)
        colors: dict[int | None, Any] = {None: clear, 0: clear}
        colors.update(zip(self.ids.tolist(), self.rgba(), strict=True))
        return colors


def read_id_table(path: Path) -> NucleusTable:
    """Read ``.labels.csv``: the class of each id and, if there is such a column, its colour.

    Raises
    ------
    KaryoscopeError
        If the file is no such table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        ids = np.array([int(row["id"]) for row in rows], np.uint32)
        classes = np.array([row["class"] for row in rows], str)
        colors = {row["class"]: _color(row["color"]) for row in rows if row.get("color")}
    except (OSError, KeyError, ValueError, TypeError, OverflowError, csv.Error) as error:
        reason = " ".join(str(error).split())
        raise KaryoscopeError(f"{path} is no table of ids and classes: {reason}") from error
    return NucleusTable(ids, classes, colors)


def _color(text: str) -> Color:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def lines_of(features: Mapping[str, Sequence[Any] | np.ndarray], row: int) -> list[tuple[str, str]]:
    """Return name and value of every feature of one nucleus, as text, but its label.

    Examples
    --------
    >>> lines_of({"class": ["plasma"], "area_um2": [31.416]}, 0)
    [('class', 'plasma'), ('area_um2', '31.42')]
    """
    return [
        (str(name), _text(np.asarray(column)[row]))
        for name, column in features.items()
        if name != "index"
    ]


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
