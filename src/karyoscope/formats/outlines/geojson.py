"""GeoJSON that QuPath imports as classified detections, one line a nucleus."""

from __future__ import annotations

import gzip
import json
from typing import IO, Any, cast

import numpy as np

from karyoscope.core.kernels import njit, part
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import NucleusClass
from karyoscope.formats.base import Writer, close_quietly
from karyoscope.formats.outlines.crs import PIXELS
from karyoscope.formats.outlines.digits import (
    LONGEST_NUMBER,
    put_bytes,
    put_fixed,
    put_integer,
    put_number,
)
from karyoscope.formats.rounding import decimals, rounded
from karyoscope.formats.tables.columns import numbers, spoken_name, texts

_ROWS_AT_ONCE = 8192


class GeoJSONWriter(Writer):
    """A ``FeatureCollection`` with one ``Feature`` a nucleus.

    The geometry is a closed ``Polygon`` in pixels of level 0, with two decimals, counted from where
    QuPath counts: from the corner of the part that was scanned, where the slide's format tells it
    (``scanned_from`` in the metadata; QuPath since 0.2, unless opened with ``--no-crop``).

    The member ``crs`` names plane coordinates in pixels, so that readers built on GDAL (geopandas,
    sf, QGIS) do not take them for degrees, as GeoJSON has it where nothing is said.

    The properties are those that QuPath reads (``QuPathTypeAdapters``, since 0.4): ``objectType``,
    ``name`` (our id), ``classification`` with name and colour, and ``measurements`` with units in
    their names as QuPath's own have them ("Area µm^2"). QuPath takes an ``id`` only if it is a
    UUID; ours ends in the place of the nucleus and is the same in every run of the same settings
    (:meth:`ExportContext.uuid`). The name of the region goes to QuPath's ``metadata``.
    """

    name = "geojson"
    about = "outlines, classes and measurements as QuPath's detections"
    opens_in = "QuPath, QGIS"
    suffix = ".geojson"

    _file: IO[bytes] | None = None

    def _create(self) -> IO[bytes]:
        return self.partial.open("wb", buffering=1 << 20)

    def _open(self) -> None:
        self._file = self._create()
        self._classes = _Fragments(
            [_class_json(self.context.taxonomy.by_id(i)) for i in (0, *self.context.taxonomy.ids)]
        )
        self._uuid = _ascii(self.context.uuid()[:-12])
        self._started = False
        header = json.dumps(self._header(), ensure_ascii=False)
        text = f'{header[:-1]},"features":[\n'
        self._file.write(text.encode())

    def _header(self) -> dict[str, Any]:
        """Members of the collection but its features."""
        return {
            "type": "FeatureCollection",
            "crs": PIXELS,
            "metadata": {**self.context.provenance(), "taxonomy": self.context.taxonomy.to_dict()},
        }

    def _write(self, nuclei: Nuclei) -> None:
        assert self._file is not None
        places = self.context.places(nuclei)
        nuclei = rounded(nuclei)
        x, y = self.context.scanned_from
        if x or y:
            nuclei = nuclei.shift(-x, -y)
        for start in range(0, len(nuclei), _ROWS_AT_ONCE):
            if self._started:
                self._file.write(b",\n")
            stop = min(start + _ROWS_AT_ONCE, len(nuclei))
            rows = np.arange(start, stop)
            self._file.write(self._features(nuclei.take(rows), places[rows]))
            self._started = True

    def _features(self, nuclei: Nuclei, places: np.ndarray) -> bytes:
        columns = numbers(nuclei)
        keys = _Fragments(
            [f"{json.dumps(spoken_name(k), ensure_ascii=False)}:".encode() for k in columns]
        )
        values = np.stack([np.asarray(v, np.float64) for v in columns.values()], 1)
        digits = [decimals(k, nuclei) for k in columns]
        notes, note_rows = _notes(nuclei)
        longest = (
            notes.longest
            + 200
            + self._classes.longest
            + len(keys.text)
            + LONGEST_NUMBER * len(columns)
        )
        size = len(nuclei) * longest + (len(nuclei.vertices) + len(nuclei)) * 2 * LONGEST_NUMBER
        out = np.empty(size, np.uint8)
        end = _encode(
            out,
            nuclei.id,
            places,
            np.searchsorted((0, *self.context.taxonomy.ids), nuclei.class_id),
            nuclei.vertices,
            nuclei.offsets,
            values,
            self._uuid,
            (self._classes.text, self._classes.offsets),
            (keys.text, keys.offsets),
            np.array([-1 if p is None else p for p in digits]),
            (notes.text, notes.offsets, note_rows),
        )
        return out[:end].tobytes()

    def _finish(self) -> None:
        assert self._file is not None
        self._file.write(b"\n]}\n")
        self._file.close()

    def _release(self) -> None:
        if self._file is not None:
            close_quietly(self._file)


class GzippedGeoJSONWriter(GeoJSONWriter):
    """The same, compressed with gzip."""

    name = "geojson.gz"
    about = "the same, compressed"
    opens_in = "QuPath"
    suffix = ".geojson.gz"

    _compressed: IO[bytes] | None = None

    def _create(self) -> IO[bytes]:
        self._compressed = super()._create()
        # No name and no time stamp: the same nuclei give the same bytes.
        return cast(
            IO[bytes],
            gzip.GzipFile("", "wb", compresslevel=2, fileobj=self._compressed, mtime=0),
        )

    def _finish(self) -> None:
        assert self._compressed is not None
        super()._finish()
        self._compressed.close()

    def _release(self) -> None:
        super()._release()
        if self._compressed is not None:
            close_quietly(self._compressed)


class _Fragments:
    """Pieces of text behind one another, for compiled code to copy from."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.text = np.frombuffer(b"".join(pieces), np.uint8)
        self.offsets = np.cumsum([0, *map(len, pieces)])
        self.longest = max(map(len, pieces), default=0)


def _class_json(nucleus_class: NucleusClass) -> bytes:
    value = {"name": nucleus_class.name, "color": list(nucleus_class.color)}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _notes(nuclei: Nuclei) -> tuple[_Fragments, np.ndarray]:
    """Columns of names as QuPath's metadata: each text that occurs, and which one a row has."""
    names = texts(nuclei)
    if not names:
        return _Fragments([b""]), np.zeros(len(nuclei), np.int64)
    rows = list(zip(*(column.tolist() for column in names.values()), strict=True))
    distinct = {row: place for place, row in enumerate(dict.fromkeys(rows))}
    pieces = [_note(dict(zip(names, row, strict=True))) for row in distinct]
    return _Fragments(pieces), np.array([distinct[row] for row in rows], np.int64)


def _note(values: dict[str, str]) -> bytes:
    kept = {name: value for name, value in values.items() if value}
    if not kept:
        return b""
    return b',"metadata":' + json.dumps(kept, ensure_ascii=False).encode(errors="backslashreplace")


def _ascii(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


_SEPARATOR = _ascii(",\n")
_ID = _ascii('{"type":"Feature","id":"')
_GEOMETRY = _ascii('","geometry":{"type":"Polygon","coordinates":[[')
_PROPERTIES = _ascii(']]},"properties":{"objectType":"detection","name":"')
_CLASSIFICATION = _ascii('","classification":')
_MEASUREMENTS = _ascii(',"measurements":{')
_END = _ascii("}}}")
_HEX = _ascii("0123456789abcdef")
# Not 0: numba compiles a function anew for each literal that it is called with.
_START = np.int64(0)


@njit
def _encode(
    out, ids, places, class_rows, vertices, offsets, values, uuid, classes, keys, digits, notes
):
    """Write one feature a row into ``out``; returns the number of bytes."""
    class_text, class_offsets = classes
    key_text, key_offsets = keys
    note_text, note_offsets, note_rows = notes
    at = _START
    for row in range(len(ids)):
        if row > 0:
            at = put_bytes(out, at, _SEPARATOR, _START, len(_SEPARATOR))
        at = put_bytes(out, at, _ID, _START, len(_ID))
        at = put_bytes(out, at, uuid, _START, len(uuid))
        for shift in range(44, -4, -4):
            out[at] = _HEX[(places[row] >> shift) & 15]
            at += 1
        at = put_bytes(out, at, _GEOMETRY, _START, len(_GEOMETRY))
        at = _put_ring(out, at, vertices, offsets[row], offsets[row + 1])
        at = put_bytes(out, at, _PROPERTIES, _START, len(_PROPERTIES))
        at = put_integer(out, at, np.int64(ids[row]))
        at = put_bytes(out, at, _CLASSIFICATION, _START, len(_CLASSIFICATION))
        start, stop = class_offsets[class_rows[row]], class_offsets[class_rows[row] + 1]
        at = put_bytes(out, at, class_text, start, stop)
        start, stop = note_offsets[note_rows[row]], note_offsets[note_rows[row] + 1]
        at = put_bytes(out, at, note_text, start, stop)
        at = put_bytes(out, at, _MEASUREMENTS, _START, len(_MEASUREMENTS))
        at = _put_measurements(out, at, values[row], key_text, key_offsets, digits)
        at = put_bytes(out, at, _END, _START, len(_END))
    return at


@part
def _put_ring(out, at, vertices, start, stop):
    """Write a closed ring, counterclockwise where y points up (RFC 7946, section 3.1.6)."""
    twice_area = 0.0
    previous = stop - 1
    for i in range(start, stop):
        twice_area += float(vertices[previous, 0]) * float(vertices[i, 1])
        twice_area -= float(vertices[i, 0]) * float(vertices[previous, 1])
        previous = i
    count = stop - start
    for k in range(count + 1):
        i = start + k % count if twice_area >= 0 else stop - 1 - k % count
        if k > 0:
            out[at] = 44
            at += 1
        out[at] = 91
        at = put_fixed(out, at + 1, np.float64(vertices[i, 0]), np.int64(2))
        out[at] = 44
        at = put_fixed(out, at + 1, np.float64(vertices[i, 1]), np.int64(2))
        out[at] = 93
        at += 1
    return at


@part
def _put_measurements(out, at, values, key_text, key_offsets, places):
    """Write ``"name":value`` pairs; JSON has no NaN or infinity, so such values are left out."""
    first = True
    for k in range(len(values)):
        if not np.isfinite(values[k]):
            continue
        if not first:
            out[at] = 44
            at += 1
        first = False
        at = put_bytes(out, at, key_text, key_offsets[k], key_offsets[k + 1])
        if places[k] < 0:
            at = put_number(out, at, values[k])
        else:
            at = put_fixed(out, at, values[k], places[k])
    return at
