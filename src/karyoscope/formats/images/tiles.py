"""Compressed tiles of several levels, kept on disk until each level is written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np


class TileStore:
    """zlib-compressed tiles of uint32, one file a level; tiles are read back in order.

    Parameters
    ----------
    folder : Path
        Folder of the files.
    tile : int
        Edge in pixels.
    """

    def __init__(self, folder: Path, tile: int) -> None:
        self._folder = folder
        self._tile = tile
        self._blank = zlib.compress(bytes(4 * tile * tile), 1)
        self._sizes: dict[int, list[int]] = {}

    def put(self, level: int, top: int, left: int, labels: np.ndarray) -> None:
        """Compress the tiles of a window; those at the border are completed with 0."""
        sizes = self._sizes.setdefault(level, [])
        with self._path(level).open("ab") as file:
            for start in range(0, labels.shape[1], self._tile):
                sizes.append(file.write(self._compressed(labels[:, start : start + self._tile])))

    def _compressed(self, tile: np.ndarray) -> bytes:
        if not tile.any():
            return self._blank
        missing = [(0, self._tile - length) for length in tile.shape]
        return zlib.compress(np.pad(tile, missing).astype("<u4").tobytes(), 1)

    def tiles(self, level: int) -> Iterator[bytes]:
        """Compressed tiles of one level, row by row."""
        with self._path(level).open("rb") as file:
            for size in self._sizes[level]:
                yield file.read(size)

    def _path(self, level: int) -> Path:
        return self._folder / f"{level}.tiles"
