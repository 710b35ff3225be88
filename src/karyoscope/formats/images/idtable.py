"""The class and colour of each id, beside a label image."""

from __future__ import annotations

import csv
from pathlib import Path

from karyoscope.core.nuclei import Nuclei
from karyoscope.formats.base import close_quietly

ID_TABLE_SUFFIX = ".labels.csv"
"""End of the name of the table, of which label images of several formats have one."""


def hex_color(color: tuple[int, int, int]) -> str:
    """Return a colour as matplotlib, napari and R write it.

    Examples
    --------
    >>> hex_color((255, 160, 0))
    '#ffa000'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)


class IdTable:
    """CSV with the columns ``id``, ``class`` and ``color``, written block by block."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(("id", "class", "color"))

    def write(self, nuclei: Nuclei) -> None:
        """Add a block."""
        kinds = [nuclei.taxonomy.by_id(i) for i in (0, *nuclei.taxonomy.ids)]
        kind_of = {kind.id: (kind.name, hex_color(kind.color)) for kind in kinds}
        pairs = zip(nuclei.id.tolist(), nuclei.class_id.tolist(), strict=True)
        self._rows.writerows((number, *kind_of[kind]) for number, kind in pairs)

    def close(self) -> None:
        """Complete the file."""
        self._file.close()

    def release(self) -> None:
        """Close the file, which is about to be removed, whatever happens."""
        close_quietly(self._file)
