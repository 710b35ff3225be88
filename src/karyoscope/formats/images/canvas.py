"""A picture that is drawn on while it lies on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

#: Edge of a tile: what lies near each other in the picture lies near each other in the file.
TILE = 256
_BYTES = TILE * TILE * 3


class Canvas:
    """RGB picture in a file, of which only the part that is drawn on is in memory.

    Parameters
    ----------
    path : Path
        Created; the caller removes it.
    size : (int, int)
        Width and height.

    Attributes
    ----------
    size : (int, int)
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self.size = size
        self._columns = -(-size[0] // TILE)
        self._file = path.open("w+b", buffering=0)

    def put(self, top: int, rows: np.ndarray) -> None:
        """Store rows of the picture.

        Parameters
        ----------
        top : int
            The first of them, a multiple of the edge of a tile.
        rows : ndarray of uint8, shape (h, width, 3)
            A multiple of the edge of a tile, but for the last rows of the picture.
        """
        for start in range(0, len(rows), TILE):
            band = rows[start : start + TILE]
            tiles = np.zeros((TILE, self._columns * TILE, 3), np.uint8)
            tiles[: len(band), : self.size[0]] = band
            self._write((top + start) // TILE, range(self._columns), tiles)

    def draw(
        self,
        box: tuple[float, float, float, float],
        task: Callable[[np.ndarray, tuple[int, int]], None],
    ) -> None:
        """Let a task draw on a part of the picture.

        Parameters
        ----------
        box : (float, float, float, float)
            Left, top, right and bottom of what it may change; what lies beyond the picture does
            not count.
        task : callable
            Takes the pixels, (h, w, 3) uint8, and x and y of the first of them. No edge of these
            pixels but those of the picture is within the box.
        """
        (left, right), (top, bottom) = (
            (max(0, int(low // TILE)), min(int(-(-length // TILE)), int(high // TILE) + 1))
            for low, high, length in zip(box[:2], box[2:], self.size, strict=True)
        )
        if left >= right or top >= bottom:
            return
        columns, rows = range(left, right), range(top, bottom)
        part = np.concatenate([self._read(row, columns) for row in rows])
        x, y = left * TILE, top * TILE
        # What is drawn must end at the borders of the picture, not at those of the tiles.
        task(part[: self.size[1] - y, : self.size[0] - x], (x, y))
        for row in rows:
            self._write(row, columns, part[(row - top) * TILE : (row - top + 1) * TILE])

    def bands(self) -> Iterator[tuple[int, np.ndarray]]:
        """First row, and the rows, of each part of the picture from top to bottom."""
        width, height = self.size
        for top in range(0, height, TILE):
            rows = self._read(top // TILE, range(self._columns))
            yield top, rows[: height - top, :width]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, row: int, columns: range) -> np.ndarray:
        self._seek(row, columns)
        tiles = np.empty((len(columns), TILE, TILE, 3), np.uint8)
        view = tiles.data.cast("B")
        while view:
            count = self._file.readinto(view)
            if not count:
                raise OSError(f"{self._file.name} is shorter than it was")
            view = view[count:]
        return tiles.transpose(1, 0, 2, 3).reshape(TILE, -1, 3)

    def _write(self, row: int, columns: range, rows: np.ndarray) -> None:
        self._seek(row, columns)
        tiles = rows.reshape(TILE, len(columns), TILE, 3).transpose(1, 0, 2, 3)
        view = np.ascontiguousarray(tiles).data.cast("B")
        while view:  # a file without a buffer may take a part
            view = view[self._file.write(view) :]

    def _seek(self, row: int, columns: range) -> None:
        self._file.seek((row * self._columns + columns.start) * _BYTES)
