"""Nuclei of one result, sorted into square tiles, with what an index of them needs in memory.

Outlines are by far the largest part of a table of nuclei. They stay in the file and are read a
group of rows at a time, when a tile that needs them is requested; positions and classes are kept.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.formats import ExportContext, NucleiFile

#: Edge of a tile of nuclei, at least, in µm; its edge in pixels is a power of two.
TILE_UM = 500.0
_SMALLEST, _LARGEST = 256, 4096
#: Outlines and columns that are kept, in bytes, for each table.
OUTLINE_BYTES, _COLUMN_BYTES = 96 << 20, 48 << 20
#: Steps of a coordinate for each pixel; outlines lie on halves of a model's pixels.
STEPS_PER_PIXEL = 8
_FARTHEST = 32767


class Source(Protocol):
    """Where a table's rows come from: a file, or memory."""

    context: ExportContext
    names: tuple[str, ...]
    starts: np.ndarray

    def __len__(self) -> int: ...
    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of numbers, by name."""
        ...

    def row(self, row: int, names: Sequence[str]) -> dict[str, float]:
        """Numbers of one row, by name."""
        ...

    def class_ids(self) -> np.ndarray:
        """Class of every row."""
        ...

    def outlines(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Vertices and offsets of a group of rows."""
        ...


class InMemory:
    """A :class:`Nuclei` as a source of one group."""

    def __init__(self, nuclei: Nuclei, context: ExportContext) -> None:
        self.context = context
        self._nuclei = nuclei
        self._columns = {
            name: column
            for name, column in nuclei.columns().items()
            if np.asarray(column).dtype.kind not in "OU"
        }
        self.names = tuple(self._columns)
        self.starts = np.array([0, len(nuclei)], np.int64)

    def __len__(self) -> int:
        return len(self._nuclei)

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns of numbers, by name."""
        return {name: np.asarray(self._columns[name]) for name in names}

    def row(self, row: int, names: Sequence[str]) -> dict[str, float]:
        """Numbers of one row, by name."""
        return {name: float(self._columns[name][row]) for name in names}

    def class_ids(self) -> np.ndarray:
        """Class of every row."""
        return self._nuclei.class_id

    def outlines(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """Vertices (v, 2), x and y in pixels of level 0, and offsets (n + 1,) of all rows."""
        return self._nuclei.vertices, self._nuclei.offsets


class NucleiTable:
    """The nuclei of one result, found by tile, by place and by id.

    Rows are numbered in the order of the tiles, row of tiles by row of tiles. A nucleus belongs
    to the tile that its centroid is in.

    Parameters
    ----------
    source : path or Source
        A GeoParquet file of karyoscope, or rows in memory.

    Attributes
    ----------
    context : ExportContext
    names : tuple of str
        Columns of numbers.
    tile : int
        Edge of a tile in pixels of level 0.
    across, down : int
        Tiles along x and y.
    id : ndarray of uint32, shape (n,)
    class_id : ndarray of uint8, shape (n,)
    x, y : ndarray of float32, shape (n,)
        Centroid in pixels of level 0.
    starts : ndarray of int64, shape (tiles + 1,)
        Rows of tile ``t``, counted row by row, are ``starts[t]`` to ``starts[t + 1]``.
    """

    def __init__(self, source: str | Path | Source) -> None:
        rows = NucleiFile(source) if isinstance(source, (str, Path)) else source
        self._source: Source = rows
        self.context, self.names = rows.context, rows.names
        edge = 2 ** math.ceil(math.log2(TILE_UM / self.context.mpp))
        self.tile = min(max(edge, _SMALLEST), _LARGEST)
        width, height = self.context.size
        self.across = max(1, math.ceil(width / self.tile))
        self.down = max(1, math.ceil(height / self.tile))
        columns = rows.columns(["id", "x", "y"])
        place = self._tile_of(columns["x"], columns["y"])
        self._place = place.astype(np.int32)
        self._order = np.argsort(place, kind="stable").astype(np.int32)
        counts = np.bincount(place, minlength=self.across * self.down)
        self.starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.id = columns["id"][self._order].astype(np.uint32)
        self.x = columns["x"][self._order].astype(np.float32)
        self.y = columns["y"][self._order].astype(np.float32)
        self.class_id = rows.class_ids()[self._order]
        self._by_id = np.argsort(self.id, kind="stable").astype(np.int32)
        self._lock = threading.RLock()
        self._groups: OrderedDict[int, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._reading = threading.Lock()
        self._held = 0
        self._values: OrderedDict[str, np.ndarray] = OrderedDict()

    def __len__(self) -> int:
        return len(self.id)

    def _tile_of(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        column = np.clip(x // self.tile, 0, self.across - 1).astype(np.int64)
        row = np.clip(y // self.tile, 0, self.down - 1).astype(np.int64)
        return row * self.across + column

    def rows_of(self, column: int, row: int, span: int = 1) -> np.ndarray:
        """Rows in a square of ``span`` by ``span`` tiles, whose first tile is given.

        Returns
        -------
        ndarray of int64
            Ascending; empty outside the slide.
        """
        left, right = max(0, column), min(self.across, column + span)
        if left >= right:
            return np.zeros(0, np.int64)
        parts = [
            np.arange(self.starts[y * self.across + left], self.starts[y * self.across + right])
            for y in range(max(0, row), min(self.down, row + span))
        ]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def rows_in(self, left: float, top: float, right: float, bottom: float) -> np.ndarray:
        """Rows whose centroid is in a half-open box, in pixels of level 0; ascending."""
        inside = (self.x >= left) & (self.x < right) & (self.y >= top) & (self.y < bottom)
        return np.flatnonzero(inside)

    def row_of(self, nucleus: int) -> int:
        """Row of the nucleus with this id.

        Raises
        ------
        KaryoscopeError
            If there is none.
        """
        at = int(np.searchsorted(self.id, nucleus, sorter=self._by_id))
        if at == len(self) or self.id[self._by_id[at]] != nucleus:
            raise KaryoscopeError(f"{self.context.slide} has no nucleus {nucleus}")
        return int(self._by_id[at])

    def measured(self, row: int) -> dict[str, float]:
        """All columns of numbers of one row but id and position, by name."""
        names = [name for name in self.names if name not in ("id", "x", "y")]
        return self._source.row(int(self._order[row]), names)

    def values(self, name: str) -> np.ndarray:
        """One column of numbers as float32, shape (n,), in the order of the rows here.

        Raises
        ------
        KaryoscopeError
            If there is no such column.
        """
        if name not in self.names:
            raise KaryoscopeError(f"{self.context.slide} has no column {name!r}")
        with self._lock:
            if name in self._values:
                self._values.move_to_end(name)
                return self._values[name]
            column = self._source.columns([name])[name][self._order].astype(np.float32)
            self._values[name] = column
            while len(self._values) > max(1, _COLUMN_BYTES // max(1, column.nbytes)):
                self._values.popitem(last=False)
            return column

    def outlines(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outlines of some rows, to 1/8 pixel.

        Returns
        -------
        vertices : ndarray of float32, shape (v, 2)
            x, y in pixels of level 0, rings not closed.
        offsets : ndarray of int64, shape (len(rows) + 1,)
        """
        steps, offsets = self.outline_steps(rows)
        centres = self._centres(self._place[self._order[rows]])
        vertices = steps / STEPS_PER_PIXEL + np.repeat(centres, np.diff(offsets), axis=0)
        return vertices.astype(np.float32), offsets

    def outline_steps(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outlines of some rows as the page gets them.

        Returns
        -------
        steps : ndarray of int16, shape (v, 2)
            x, y in steps of 1/8 pixel from the centre of the nucleus's tile.
        offsets : ndarray of int64, shape (len(rows) + 1,)
        """
        source = self._order[rows].astype(np.int64)
        starts = self._source.starts
        group = np.searchsorted(starts, source, side="right") - 1
        lengths = np.zeros(len(rows), np.int64)
        loaded = {g: self._group(g) for g in np.unique(group).tolist()}
        for g, (_, offsets) in loaded.items():
            mine = group == g
            local = source[mine] - starts[g]
            lengths[mine] = offsets[local + 1] - offsets[local]
        out_offsets = np.concatenate([[0], np.cumsum(lengths)])
        out = np.empty((int(out_offsets[-1]), 2), np.int16)
        for g, (steps, offsets) in loaded.items():
            mine = np.flatnonzero(group == g)
            first, count = offsets[source[mine] - starts[g]], lengths[mine]
            along = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            out[np.repeat(out_offsets[mine], count) + along] = steps[
                np.repeat(first, count) + along
            ]
        return out, out_offsets

    def preload(self) -> None:
        """Read as many outlines as the cache holds, before they are requested."""
        for group in range(len(self._source.starts) - 1):
            if self._held > OUTLINE_BYTES * 0.9:
                return
            self._group(group)

    def _centres(self, place: np.ndarray) -> np.ndarray:
        """Centres of tiles by their number: float, shape (n, 2)."""
        return (np.stack([place % self.across, place // self.across], 1) + 0.5) * self.tile

    def _group(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        found = self._held_group(group)
        if found is not None:
            return found
        # One group at a time, for its memory; who asks for the one being read waits for it.
        with self._reading:
            return self._held_group(group) or self._read_group(group)

    def _held_group(self, group: int) -> tuple[np.ndarray, np.ndarray] | None:
        with self._lock:
            if group in self._groups:
                self._groups.move_to_end(group)
            return self._groups.get(group)

    def _read_group(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        vertices, offsets = self._source.outlines(group)
        first, last = self._source.starts[group : group + 2]
        centres = self._centres(self._place[first:last]).astype(np.float32)
        vertices = vertices - np.repeat(centres, np.diff(offsets), axis=0)
        vertices *= STEPS_PER_PIXEL
        np.rint(vertices, out=vertices)
        steps = np.clip(vertices, -_FARTHEST, _FARTHEST, out=vertices).astype(np.int16)
        offsets = offsets.astype(np.int32)
        with self._lock:
            self._groups[group] = steps, offsets
            self._held += steps.nbytes + offsets.nbytes
            while self._held > OUTLINE_BYTES and len(self._groups) > 1:
                _, (old, ends) = self._groups.popitem(last=False)
                self._held -= old.nbytes + ends.nbytes
            return steps, offsets
