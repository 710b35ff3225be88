"""The class of each id, beside a label image."""

from __future__ import annotations

import csv
from pathlib import Path

from karyoscope.core.nuclei import Nuclei
from karyoscope.export.base import close_quietly


class IdTable:
    """CSV with the columns ``id`` and ``class``, written block by block."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(("id", "class"))

    def write(self, nuclei: Nuclei) -> None:
        """Add a block."""
        names = nuclei.class_names().tolist()
        self._rows.writerows(zip(nuclei.id.tolist(), names, strict=True))

    def close(self) -> None:
        """Complete the file."""
        self._file.close()

    def release(self) -> None:
        """Close the file, which is about to be removed, whatever happens."""
        close_quietly(self._file)
