"""CSV: one row a nucleus, without the outlines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.csv

from karyoscope.core.arrow import number_array, numbers_of, text_array
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.text import for_csv
from karyoscope.formats.base import Writer, close_quietly
from karyoscope.formats.rounding import rounded
from karyoscope.formats.tables.columns import columns, texts


class CSVWriter(Writer):
    """Columns ``id, class, x, y, area_um2``, then ``p_<class>``, then the measurements.

    Positions are in pixels of level 0. A value that is not a number is an empty field.
    """

    name = "csv"
    about = "every column, without outlines"
    opens_in = "pandas, R, spreadsheets"
    suffix = ".csv"

    _file: IO[bytes] | None = None

    def _open(self) -> None:
        self._file = self.partial.open("wb", buffering=1 << 20)
        self._names: list[str] | None = None
        self._special = _has_special(self.context.taxonomy.names)

    def _write(self, nuclei: Nuclei) -> None:
        assert self._file is not None
        table = _table(nuclei)
        if self._names is None:
            self._header(table.schema.names)
        elif self._names != table.schema.names:
            raise ValueError(f"columns {table.schema.names} do not follow {self._names}")
        self._special |= any(_has_special(set(c.tolist())) for c in texts(nuclei).values())
        quoting = "needed" if self._special else "none"
        options = pa.csv.WriteOptions(include_header=False, quoting_style=quoting)
        pa.csv.write_csv(table, self._file, options)

    def _header(self, names: list[str]) -> None:
        assert self._file is not None
        self._names = names
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(names)
        self._file.write(line.getvalue().encode())

    def _finish(self) -> None:
        assert self._file is not None
        if self._names is None:
            self._header(list(self.context.empty().columns()))
        self._file.close()

    def _release(self) -> None:
        if self._file is not None:
            close_quietly(self._file)


def _has_special(names: Iterable[str]) -> bool:
    """Whether a text must stand in quotes."""
    return not set(',"\r\n').isdisjoint("".join(names))


def _table(nuclei: Nuclei) -> pa.Table:
    arrays = {}
    for name, column in columns(rounded(nuclei)).items():
        if name == "class":
            names = text_array(for_csv(name) for name in column.dictionary.to_pylist())
            column = pa.DictionaryArray.from_arrays(column.indices, names).cast(pa.string())
        elif pa.types.is_string(column.type):
            column = text_array(for_csv(name) for name in column.to_pylist())
        elif pa.types.is_floating(column.type):
            values = numbers_of(column)
            column = number_array(values, np.isfinite(values))
        arrays[name] = column
    return pa.table(arrays)
