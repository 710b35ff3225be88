"""Compressed tiles of several levels, kept on disk until each level is written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_LEVEL = 2


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
        self._blank = _compressed(bytes(4 * tile * tile))
        self._sizes: dict[int, list[int]] = {}

    def put(self, level: int, top: int, left: int, labels: np.ndarray) -> None:
        """Compress the tiles of a window; those at the border are completed with 0."""
        sizes = self._sizes.setdefault(level, [])
        with self._path(level).open("ab") as file:
            for start in range(0, labels.shape[1], self._tile):
                sizes.append(file.write(self._encoded(labels[:, start : start + self._tile])))

    def _encoded(self, tile: np.ndarray) -> bytes | bytearray:
        if not tile.any():
            return self._blank
        whole = np.zeros((self._tile, self._tile), "<u4")
        whole[: tile.shape[0], : tile.shape[1]] = tile
        return _compressed(whole.tobytes())

    def tiles(self, level: int) -> Iterator[bytes]:
        """Compressed tiles of one level, row by row."""
        with self._path(level).open("rb") as file:
            for size in self._sizes[level]:
                yield file.read(size)

    def _path(self, level: int) -> Path:
        return self._folder / f"{level}.tiles"


def _compressed(data: bytes) -> bytes | bytearray:
    """Compress with zlib-ng: of label images it makes half the size in a third of the time."""
    # Not imported above: a machine that trains from a packed set has no codecs of slides.
    import imagecodecs

    if not imagecodecs.ZLIBNG.available:
        return zlib.compress(data, _LEVEL)
    return imagecodecs.zlibng_encode(data, level=_LEVEL)
