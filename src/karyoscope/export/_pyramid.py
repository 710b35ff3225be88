"""Reduced levels of a label image, built while the full one is written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

TILE = 256
_BLANK = zlib.compress(bytes(4 * TILE * TILE), 1)


def compressed_tiles(strip: np.ndarray) -> Iterator[bytes]:
    """Cut a row of tiles, (h, w) uint32 with ``h`` up to 256, into zlib-compressed tiles.

    Tiles at the right and lower edge are completed with 0.
    """
    for left in range(0, strip.shape[1], TILE):
        tile = strip[:, left : left + TILE]
        if tile.any():
            missing = [(0, TILE - n) for n in tile.shape]
            yield zlib.compress(np.pad(tile, missing).astype("<u4").tobytes(), 1)
        else:
            yield _BLANK


class ReducedLevel:
    """Every second pixel of the level above, as compressed tiles on disk until they are asked for.

    Ids cannot be averaged, so a pixel keeps the id of one of the four that it stands for.

    Parameters
    ----------
    folder : Path
        Where the tiles are kept.
    width, height : int
        Size of this level in pixels.
    further : int
        Number of levels below this one.
    """

    def __init__(self, folder: Path, width: int, height: int, further: int) -> None:
        self.width, self.height = width, height
        self._path = folder / f"{width}x{height}-{further}.tiles"
        self._sizes: list[int] = []
        self._strip = np.zeros((TILE, width), np.uint32)
        self._filled = 0
        self._done = 0
        self.below: ReducedLevel | None = None
        if further:
            size = max(1, width // 2), max(1, height // 2)
            self.below = ReducedLevel(folder, *size, further - 1)

    def add(self, rows: np.ndarray) -> None:
        """Take the next rows of this level, (h, w) uint32 with ``h`` up to 128, top to bottom."""
        rows = rows[: self.height - self._done - self._filled, : self.width]
        self._strip[self._filled : self._filled + len(rows)] = rows
        self._filled += len(rows)
        if self._filled and (self._filled == TILE or self._done + self._filled == self.height):
            self._flush()

    def _flush(self) -> None:
        strip = self._strip[: self._filled]
        with self._path.open("ab") as file:
            for tile in compressed_tiles(strip):
                self._sizes.append(file.write(tile))
        if self.below is not None:
            self.below.add(strip[::2, ::2])
        self._done += self._filled
        self._filled = 0

    def tiles(self) -> Iterator[bytes]:
        """Compressed tiles, row by row; after the last row was added."""
        with self._path.open("rb") as file:
            for size in self._sizes:
                yield file.read(size)
