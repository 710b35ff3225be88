"""A label image rendered from outlines, with its reduced levels, in order and in little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from karyoscope.formats.images.spool import OutlineSpool

_SINGLE_LEVEL = 4096
_SMALLEST_LEVEL = 1024
_WINDOW = 4096

Sink = Callable[[int, int, int, np.ndarray], None]


def level_sizes(size: tuple[int, int], fewest: int = 1) -> list[tuple[int, int]]:
    """Width and height of every level of a label image.

    Images up to 4096 pixels have ``fewest`` levels; larger ones are halved down to 1024 pixels or
    less.

    Examples
    --------
    >>> level_sizes((5000, 3000))
    [(5000, 3000), (2500, 1500), (1250, 750), (625, 375)]
    """
    longest = max(size)
    levels = fewest
    if longest > _SINGLE_LEVEL:
        levels = max(fewest, 1 + int(np.ceil(np.log2(longest / _SMALLEST_LEVEL))))
    return [(max(1, size[0] >> k), max(1, size[1] >> k)) for k in range(levels)]


def render(spool: OutlineSpool, sizes: list[tuple[int, int]], tile: int, put: Sink) -> None:
    """Render all levels from top to bottom.

    Each level keeps every second pixel of the one before, so that levels are never mixtures of
    ids. Memory depends on the width of the slide alone.

    Parameters
    ----------
    spool : OutlineSpool
        Outlines, in bands of ``tile`` pixels.
    sizes : list of (width, height)
        Sizes of the levels, from :func:`level_sizes`.
    tile : int
        Edge of the tiles that ``put`` writes; it divides 4096.
    put : callable
        ``put(level, top, left, labels)`` takes a window, (h, w) uint32, that starts at tile
        borders and ends there or at the border of the image. Those of one level come row by row,
        from left to right.
    """
    reduced = _Reduced(sizes, 1, tile, put) if len(sizes) > 1 else None
    width, height = sizes[0]
    for band, top in enumerate(range(0, height, tile)):
        rows = min(tile, height - top)
        half = np.zeros((-(-rows // 2), -(-width // 2)), np.uint32)
        for left, labels in _windows(spool, band, tile, width, rows):
            put(0, top, left, labels)
            step = labels[::2, ::2]
            half[:, left // 2 : left // 2 + step.shape[1]] = step
        if reduced is not None:
            reduced.add(half)


def _windows(
    spool: OutlineSpool, band: int, tile: int, width: int, rows: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Windows of one band from left to right: x of the first pixel, and ids."""
    nuclei = spool.read(band)
    x, starts = nuclei.vertices[:, 0], nuclei.offsets[:-1]
    low, high = (f.reduceat(x, starts) if len(x) else x for f in (np.minimum, np.maximum))
    for left in range(0, width, _WINDOW):
        columns = min(_WINDOW, width - left)
        inside = nuclei.take((high >= left) & (low <= left + columns))
        yield left, inside.label_image(columns, rows, left, band * tile)


class _Reduced:
    """One reduced level, gathered until a row of tiles is complete, and those below it."""

    def __init__(self, sizes: list[tuple[int, int]], level: int, tile: int, put: Sink) -> None:
        self._level, self._put = level, put
        self._width, self._height = sizes[level]
        self._strip = np.zeros((tile, self._width), np.uint32)
        self._filled = 0
        self._done = 0
        self._below = _Reduced(sizes, level + 1, tile, put) if level + 1 < len(sizes) else None

    def add(self, rows: np.ndarray) -> None:
        """Take the next rows, at most half a tile of them."""
        rows = rows[: self._height - self._done - self._filled, : self._width]
        self._strip[self._filled : self._filled + len(rows)] = rows
        self._filled += len(rows)
        complete = self._filled == len(self._strip) or self._done + self._filled == self._height
        if self._filled and complete:
            strip = self._strip[: self._filled]
            self._put(self._level, self._done, 0, strip)
            if self._below is not None:
                self._below.add(strip[::2, ::2])
            self._done += self._filled
            self._filled = 0
