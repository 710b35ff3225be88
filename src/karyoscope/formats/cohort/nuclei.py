"""All nuclei of a cohort as one partitioned table: the folder ``cohort.nuclei``, a file a slide.

The files are those of the slides under a second name, so that they take no room twice. Every one
has the column ``slide``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from karyoscope.core.files import remove, remove_leftovers, writing
from karyoscope.formats.tables.parquet import ParquetWriter

NAME = "cohort.nuclei"


def link_nuclei(folder: str | Path, rows: Sequence[Mapping[str, Any]]) -> list[Path]:
    """Make the folder anew from the GeoParquet files of the slides.

    Parameters
    ----------
    folder : path
        Folder that holds the results.
    rows : sequence of mapping
        Result of :func:`karyoscope.formats.cohort.cohort_rows`.

    Returns
    -------
    list of Path
        The folder, or nothing where no slide has such a file.

    Raises
    ------
    KaryoscopeError
        If it cannot be written.
    """
    folder = Path(folder)
    names = [row["result"] + ParquetWriter.suffix for row in rows if row["status"] != "failed"]
    names = [name for name in names if os.path.exists(folder / name)]
    path = folder / NAME
    remove_leftovers(path)
    if not names:
        remove(path)
        return []
    with writing(path) as partial:
        partial.mkdir()
        for name in names:
            _second_name(folder / name, partial / name)
    return [path]


def _second_name(file: Path, name: Path) -> None:
    """Give a file a second name, or copy it where the storage knows no links."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)
