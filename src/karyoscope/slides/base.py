"""Pixels with a physical scale: what every reader offers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np

from karyoscope.errors import KaryoscopeError
from karyoscope.slides._resample import Taps, box_average, interpolate, plan_taps
from karyoscope.slides._scale import RecordedScale, resolve_mpp

SAME_SCALE = 0.03
"""A grid whose pixels would be within this share of a whole number of pixels has that number."""

_CHUNK_ROWS = 1024
_CHUNK_PIXELS = 16 << 20


@dataclass(frozen=True)
class Level:
    """One level of a pyramid.

    Attributes
    ----------
    width, height : int
        Size in pixels of this level.
    downsample_x, downsample_y : float
        Pixels of level 0 that one pixel of this level spans.
    """

    width: int
    height: int
    downsample_x: float = 1.0
    downsample_y: float = 1.0


@dataclass(frozen=True)
class Grid:
    """The pixels of a slide at one physical scale.

    Grid pixel ``i`` covers level 0 from ``i * scale`` to ``(i + 1) * scale``, so that a point at
    ``u`` on the grid (corner origin) is at ``u * scale`` on level 0.

    Attributes
    ----------
    width, height : int
        Size in grid pixels; the last ones may reach beyond the slide.
    scale_x, scale_y : float
        Pixels of level 0 that one grid pixel spans.
    """

    width: int
    height: int
    scale_x: float
    scale_y: float


def pyramid_level(size: tuple[int, int], width: int, height: int) -> Level:
    """Return a level of a pyramid, its downsample a whole number where rounding allows."""
    return Level(width, height, _downsample(size[0], width), _downsample(size[1], height))


def _downsample(full: int, reduced: int) -> float:
    whole = max(1, round(full / reduced))
    # Writers drop or complete the last, partial pixel of each level.
    return float(whole) if abs(full / whole - reduced) <= 1 else full / reduced


def slide_name(path: Path) -> str:
    """Name of a slide: the file's name without its image suffix (``a.ome.tif`` is ``a``)."""
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") and len(stem) > 4 else stem


class Slide(ABC):
    """An image with a physical scale, read by windows.

    A reader implements :meth:`recognises`, :meth:`_open`, :meth:`_recorded_scale` and
    :meth:`_read_level`. Slides are context managers; a pickled slide is reopened where it is
    unpickled. Threads may share one.

    Parameters
    ----------
    path : path
        File (or folder, for formats that are folders).
    mpp : float, optional
        Micrometres per pixel of level 0; overrides the metadata.

    Attributes
    ----------
    path : Path or None
        Where it was read from; None for an array in memory.
    name : str
        Stem of the file.
    levels : list of Level
        Level 0 first.
    mpp_xy : (float, float)
        Micrometres per pixel of level 0, along x and y.

    Raises
    ------
    KaryoscopeError
        If the file is missing, damaged or not of this format, or its pixel size is unknown.
    """

    format: ClassVar[str]
    """Name of the reader, such as ``"tiff"``."""

    path: Path | None
    name: str
    levels: list[Level]
    mpp_xy: tuple[float, float]

    def __init__(self, path: str | Path, mpp: float | None = None) -> None:
        self.path = Path(path)
        self.name = slide_name(self.path)
        self._start(mpp)

    def _start(self, mpp: float | None) -> None:
        self._open()
        try:
            self.mpp_xy = resolve_mpp(str(self.path or self.name), mpp, self._recorded_scale())
        except BaseException:
            self.close()
            raise

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Tell from the path and the first bytes (empty for a folder) whether to read it."""

    @abstractmethod
    def _open(self) -> None:
        """Open the file and set ``levels``; called again where a slide is unpickled."""

    @abstractmethod
    def _recorded_scale(self) -> RecordedScale:
        """Scale that the metadata state."""

    @abstractmethod
    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Pixels of a window inside a level: a new (height, width, 3) uint8 array."""

    def close(self) -> None:  # noqa: B027  (not every reader holds a file)
        """Close the file; may be called twice."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of level 0, in pixels."""
        return self.levels[0].width, self.levels[0].height

    @property
    def mpp(self) -> float:
        """Micrometres per pixel of level 0; the geometric mean where x and y differ."""
        x, y = self.mpp_xy
        return x if x == y else math.sqrt(x * y)

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Part of level 0 that was scanned: x, y, width, height in pixels; all where unknown."""
        return 0, 0, *self.size

    def grid(self, mpp: float | None = None) -> Grid:
        """Grid at a physical scale.

        Along each axis, where a grid pixel would span within 3 % of a whole number of pixels of
        level 0, it spans that number: a slide at 0.499 µm/px is read at 0.5 as it is, and one at
        0.2527 by averaging two by two pixels, without interpolation. Rely on the ``scale_x`` and
        ``scale_y`` returned for coordinates, not on the quotient of pixel sizes.

        Parameters
        ----------
        mpp : float, optional
            Micrometres per grid pixel; the slide's own by default.

        Raises
        ------
        KaryoscopeError
            If ``mpp`` is not a positive number.
        """
        if mpp is None:
            mpp = self.mpp
        if not (math.isfinite(mpp) and mpp > 0):
            raise KaryoscopeError(f"cannot read at {mpp} µm per pixel: not a positive number")
        scale_x, scale_y = (_snap(mpp / own) for own in self.mpp_xy)
        return self._grid_of(scale_x, scale_y)

    def _grid_of(self, scale_x: float, scale_y: float) -> Grid:
        width, height = (
            max(1, math.ceil(full / scale - 1e-6))
            for full, scale in zip(self.size, (scale_x, scale_y), strict=True)
        )
        return Grid(width, height, scale_x, scale_y)

    def read(self, x: int, y: int, width: int, height: int, mpp: float | None = None) -> np.ndarray:
        """Read a window of the grid at a physical scale.

        The value of a grid pixel does not depend on the window it is read through.

        Parameters
        ----------
        x, y, width, height : int
            Window in pixels of ``grid(mpp)``; it may reach beyond the slide.
        mpp : float, optional
            Micrometres per pixel of the grid; the slide's own by default.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            RGB, a new array; white outside the slide.

        Raises
        ------
        KaryoscopeError
            If the file is damaged where it is read.
        """
        return self._read_grid(self.grid(mpp), x, y, width, height)

    def thumbnail(self, max_edge: int = 1024) -> tuple[np.ndarray, float]:
        """Whole slide in small.

        Parameters
        ----------
        max_edge : int
            Longest edge in pixels, at most.

        Returns
        -------
        rgb : ndarray of uint8, shape (h, w, 3)
        scale : float
            Pixels of level 0 that one pixel spans, along both axes (a whole number).
        """
        scale = float(max(1, math.ceil(max(self.size) / max_edge)))
        grid = self._grid_of(scale, scale)
        return self._read_grid(grid, 0, 0, grid.width, grid.height), scale

    def _read_grid(self, grid: Grid, x: int, y: int, width: int, height: int) -> np.ndarray:
        if width < 0 or height < 0:
            raise ValueError(f"cannot read a window of {width} x {height} pixels")
        left, right = max(0, x), min(grid.width, x + width)
        top, bottom = max(0, y), min(grid.height, y + height)
        if left >= right or top >= bottom:
            return np.full((height, width, 3), 255, np.uint8)
        inside = self._sample(grid, left, top, right, bottom)
        if inside.shape[:2] == (height, width):
            return inside
        out = np.full((height, width, 3), 255, np.uint8)
        out[top - y : bottom - y, left - x : right - x] = inside
        return out

    def _sample(self, grid: Grid, left: int, top: int, right: int, bottom: int) -> np.ndarray:
        index = self._level_for(grid)
        level = self.levels[index]
        step_x, step_y = grid.scale_x / level.downsample_x, grid.scale_y / level.downsample_y
        kx, ky = max(1, round(step_x)), max(1, round(step_y))
        taps_x = plan_taps(left, right, step_x / kx, -(-level.width // kx))
        taps_y = plan_taps(top, bottom, step_y / ky, -(-level.height // ky))
        boxes = self._boxes(index, taps_x, taps_y, kx, ky)
        if taps_x.plain and taps_y.plain:
            return boxes
        return interpolate(
            boxes,
            taps_x.low - taps_x.start,
            taps_x.high - taps_x.start,
            taps_x.weight,
            taps_y.low - taps_y.start,
            taps_y.high - taps_y.start,
            taps_y.weight,
        )

    def _level_for(self, grid: Grid) -> int:
        """Coarsest level that is at least as fine as the grid."""
        fine = [
            index
            for index, level in enumerate(self.levels)
            if level.downsample_x <= grid.scale_x * (1 + 1e-6)
            and level.downsample_y <= grid.scale_y * (1 + 1e-6)
        ]
        return max(fine, key=lambda index: self.levels[index].downsample_x, default=0)

    def _boxes(self, index: int, taps_x: Taps, taps_y: Taps, kx: int, ky: int) -> np.ndarray:
        """Box averages of a level; read in parts, so that a thumbnail needs little memory."""
        level = self.levels[index]
        if kx == ky == 1:
            return self._read_level(
                index,
                taps_x.start,
                taps_y.start,
                taps_x.stop - taps_x.start,
                taps_y.stop - taps_y.start,
            )
        rows, columns = taps_y.stop - taps_y.start, taps_x.stop - taps_x.start
        out = np.empty((rows, columns, 3), np.uint8)
        high = max(1, _CHUNK_ROWS // ky)
        wide = max(1, _CHUNK_PIXELS // (high * ky) // kx)
        for top in range(0, rows, high):
            for left in range(0, columns, wide):
                part = out[top : top + high, left : left + wide]
                x, y = (taps_x.start + left) * kx, (taps_y.start + top) * ky
                width = min(part.shape[1] * kx, level.width - x)
                height = min(part.shape[0] * ky, level.height - y)
                part[:] = box_average(self._read_level(index, x, y, width, height), kx, ky)
        return out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "name": self.name, "mpp_xy": self.mpp_xy}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __repr__(self) -> str:
        width, height = self.size
        return f"{type(self).__name__}({self.name!r}, {width} x {height} at {self.mpp:g} µm/px)"


def _snap(scale: float) -> float:
    whole = max(1, round(scale))
    return float(whole) if abs(scale / whole - 1) <= SAME_SCALE else scale
