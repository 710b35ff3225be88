"""SQLite file that TIAToolbox opens as an ``AnnotationStore``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.formats.base import Writer
from karyoscope.formats.rounding import as_decimals
from karyoscope.formats.tables.wkb import to_wkb

# Version 1.0.1 of the store: metadata are JSON, geometries WKB polygons, not compressed.
_TABLES = """
CREATE TABLE metadata (key TEXT UNIQUE, value TEXT);
CREATE VIRTUAL TABLE rtree USING rtree_i32(id, min_x, max_x, min_y, max_y);
CREATE TABLE annotations (
    id INTEGER PRIMARY KEY, key TEXT UNIQUE, objtype TEXT, cx INTEGER NOT NULL,
    cy INTEGER NOT NULL, geometry BLOB, properties TEXT, area INTEGER NOT NULL);
"""


class AnnotationStoreWriter(Writer):
    """One annotation a nucleus, in pixels of level 0.

    Its properties are ``type`` (name of the class, which TIAToolbox's viewer colours by),
    ``prob``, ``id`` and all columns but the position.
    """

    name = "annotationstore"
    about = "annotation store (SQLite)"
    opens_in = "TIAToolbox"
    suffix = ".annotations.db"

    _connection: sqlite3.Connection | None = None

    def _open(self) -> None:
        with _as_os_error():
            self._connection = sqlite3.connect(self.partial)
            # The file has another name until it is complete: nothing is lost with a crash.
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute("PRAGMA synchronous = OFF")
            self._connection.executescript(_TABLES)
            metadata = {
                "version": "1.0.1",
                "compression": None,
                "compression_level": 0,
                "karyoscope": self.context.provenance(),
            }
            rows = [(key, json.dumps(value)) for key, value in metadata.items()]
            self._connection.executemany("INSERT INTO metadata VALUES (?, ?)", rows)

    def _write(self, nuclei: Nuclei) -> None:
        assert self._connection is not None
        ids = nuclei.id.tolist()
        boxes = _boxes(nuclei)
        area = (nuclei.area_um2 / (self.context.mpp_x * self.context.mpp_y)).astype(int)
        annotations = zip(
            ids,
            (self.context.uuid(place) for place in self.context.places(nuclei).tolist()),
            ("Polygon" for _ in ids),
            nuclei.x.astype(int).tolist(),
            nuclei.y.astype(int).tolist(),
            to_wkb(nuclei.vertices, nuclei.offsets).to_pylist(),
            (json.dumps(p, ensure_ascii=False) for p in _properties(nuclei)),
            area.tolist(),
            strict=True,
        )
        with _as_os_error():
            self._connection.executemany(
                "INSERT INTO annotations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", annotations
            )
            rows = zip(ids, *(column.tolist() for column in boxes), strict=True)
            self._connection.executemany("INSERT INTO rtree VALUES (?, ?, ?, ?, ?)", rows)

    def _finish(self) -> None:
        assert self._connection is not None
        with _as_os_error():
            self._connection.commit()
            self._connection.close()

    def _release(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()


def _boxes(nuclei: Nuclei) -> tuple[np.ndarray, ...]:
    """Whole pixels that hold each outline: min x, max x, min y, max y."""
    starts = nuclei.offsets[:-1]
    low = np.floor(np.minimum.reduceat(nuclei.vertices, starts)).astype(int)
    high = np.ceil(np.maximum.reduceat(nuclei.vertices, starts)).astype(int)
    return low[:, 0], high[:, 0], low[:, 1], high[:, 1]


def _properties(nuclei: Nuclei) -> Iterator[dict[str, Any]]:
    columns = {k: v for k, v in nuclei.columns().items() if k not in ("class", "x", "y")}
    values = [
        (as_decimals(name, nuclei) if v.dtype.kind == "f" else v).tolist()
        for name, v in columns.items()
    ]
    names = nuclei.class_names().tolist()
    likeliest = nuclei.probabilities.astype(float).max(1, initial=0).round(4).tolist()
    for row, name in enumerate(names):
        yield {"type": name, "prob": likeliest[row]} | {
            key: column[row] if column[row] == column[row] else None
            for key, column in zip(columns, values, strict=True)
        }


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Report what SQLite has against writing as the system's own errors are."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OSError(str(error)) from error
