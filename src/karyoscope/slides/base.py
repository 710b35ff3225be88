"""Pixels with a physical scale: what every reader offers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides._sampling import sample
from karyoscope.slides.grid import Grid, Level, grid_of, whole_scale
from karyoscope.slides.scale import RecordedScale, resolve_mpp


def slide_name(path: Path) -> str:
    """Name of a slide: the file's name without its image suffix (``a.ome.tif`` is ``a``)."""
    if path.is_dir() and path.suffix.lower() != ".zarr":
        return path.resolve().name
    stem = path.stem
    return stem[:-4] if stem.lower().endswith(".ome") and len(stem) > 4 else stem


class UnsupportedLayout(KaryoscopeError):
    """A file of the right format that this reader does not decode; another may."""


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
        scale_x, scale_y = (whole_scale(mpp / own) for own in self.mpp_xy)
        return grid_of(self.size, scale_x, scale_y)

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
        grid = grid_of(self.size, scale, scale)
        return self._read_grid(grid, 0, 0, grid.width, grid.height), scale

    def _read_grid(self, grid: Grid, x: int, y: int, width: int, height: int) -> np.ndarray:
        if width < 0 or height < 0:
            raise ValueError(f"cannot read a window of {width} x {height} pixels")
        left, right = max(0, x), min(grid.width, x + width)
        top, bottom = max(0, y), min(grid.height, y + height)
        if left >= right or top >= bottom:
            return np.full((height, width, 3), 255, np.uint8)
        inside = sample(self.levels, self._read_level, grid, (left, top, right, bottom))
        if inside.shape[:2] == (height, width):
            return inside
        out = np.full((height, width, 3), 255, np.uint8)
        out[top - y : bottom - y, left - x : right - x] = inside
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
