"""A GeoParquet file of nuclei, read a column or a group of rows at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from karyoscope.core.arrow import numbers_of
from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats.tables.parquet import read_context
from karyoscope.formats.tables.wkb import from_wkb

_GEOMETRY, _CLASS = "geometry", "class"
_ROWS_AT_ONCE = 16384

Read = TypeVar("Read")


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_dictionary(kind)


class NucleiFile:
    """A file of nuclei in GeoParquet, of which only parts are read.

    Threads may share it. Unlike :func:`~karyoscope.formats.read_parquet` it holds nothing but the
    file's index in memory.

    Parameters
    ----------
    path : path
        A ``.parquet`` file that karyoscope wrote.

    Attributes
    ----------
    path : Path
    context : ExportContext
        Slide, scale, classes and model.
    names : tuple of str
        Columns that hold numbers, in the file's order: ``id``, ``x``, ``y``, ``area_um2``,
        probabilities, measurements.
    starts : ndarray of int64, shape (groups + 1,)
        Group ``g`` holds the rows ``starts[g]`` to ``starts[g + 1]``.

    Raises
    ------
    KaryoscopeError
        If the file is missing, damaged, or was not written by karyoscope.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.context = read_context(path)
        self._lock = threading.Lock()
        self._file = pq.ParquetFile(path)
        schema = self._file.schema_arrow
        names = schema.names
        missing = {"id", "x", "y", "area_um2", _CLASS, _GEOMETRY} - set(names)
        if missing:
            self.close()
            raise KaryoscopeError(
                f"{path} is no table of nuclei from karyoscope: it lacks {', '.join(missing)}"
            )
        self.names = tuple(
            field.name
            for field in schema
            if field.name not in (_GEOMETRY, _CLASS) and not _is_text(field.type)
        )
        metadata = self._file.metadata
        rows = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
        self.starts = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of numbers of all rows, by name.

        Raises
        ------
        KaryoscopeError
            If the file is damaged or has no such column.
        """
        table = self._read(lambda: self._file.read(list(names), use_threads=True))
        parts = {name: [numbers_of(part) for part in table.column(name).chunks] for name in names}
        return {name: np.concatenate(found or [np.zeros(0)]) for name, found in parts.items()}

    def row(self, row: int, names: Sequence[str]) -> dict[str, float]:
        """Numbers of one row, by name; its group of rows alone is read.

        Raises
        ------
        KaryoscopeError
            If the file is damaged or has no such column.
        """
        group = int(np.searchsorted(self.starts, row, side="right")) - 1
        table = self._read(lambda: self._file.read_row_group(group, list(names)))
        part = table.slice(row - int(self.starts[group]), 1).combine_chunks()
        return {name: float(numbers_of(part.column(name).chunks[0])[0]) for name in names}

    def class_ids(self) -> np.ndarray:
        """Class of every row: uint8, shape (n,); 0 where it is none of the taxonomy."""
        taxonomy = self.context.taxonomy
        ids = dict(zip(taxonomy.names, taxonomy.ids, strict=True))
        parts = [np.zeros(0, np.uint8)]
        for chunk in self._read(lambda: self._file.read([_CLASS])).column(_CLASS).chunks:
            table = [ids.get(name, 0) for name in chunk.dictionary.to_pylist()]
            parts.append(np.array(table, np.uint8)[numbers_of(chunk.indices)])
        return np.concatenate(parts)

    def outlines(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Vertices and offsets of the rows of one group, as :class:`Nuclei` has them."""
        # In parts, and one group at a time, since decoding takes several times the memory of what
        # comes out.
        chunks = self._read(
            lambda: [
                from_wkb(batch.column(0))
                for batch in self._file.iter_batches(_ROWS_AT_ONCE, [group], [_GEOMETRY])
            ]
        )
        if len(chunks) == 1:
            return chunks[0]
        ends = np.cumsum([0, *(len(vertices) for vertices, _ in chunks)])
        offsets = [o[1:] + end for (_, o), end in zip(chunks, ends, strict=False)]
        return (
            np.concatenate([np.zeros((0, 2), np.float32), *(vertices for vertices, _ in chunks)]),
            np.concatenate([np.zeros(1, np.int64), *offsets]),
        )

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()

    def _read(self, read: Callable[[], Read]) -> Read:
        try:
            with self._lock:
                return read()
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise KaryoscopeError(f"{self.path} cannot be read: {reason}") from error
