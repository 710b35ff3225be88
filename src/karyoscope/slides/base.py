"""Pixels with a physical scale: what every reader offers."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.remarks import warn
from karyoscope.slides._agreement import Distrust
from karyoscope.slides.arguments import check_window
from karyoscope.slides.grid import Grid, Level, check_levels, grid_of, whole_scale
from karyoscope.slides.sampling import level_for, sample
from karyoscope.slides.scale import RecordedScale, resolve_scale
from karyoscope.slides.scenes import Scene, choose_scene, several_remark

#: Edge of the cells in which a damaged slide is read at low resolution, in pixels.
_CELL = 256

_UNSAFE = re.compile(r"[^\w .-]")
"""What a scene's name may hold that the name of a file should not."""


def slide_name(path: Path, scene: int | str | None = None) -> str:
    """Name of a slide: the file's name without its image suffix (``a.ome.tif`` is ``a``).

    A scene that was requested is part of it: scene 2 of ``a.tif`` is ``a.scene-2``.
    """
    if path.is_dir() and path.suffix.lower() != ".zarr":
        stem = path.resolve().name
    else:
        stem = path.stem
        stem = stem[:-4] if stem.lower().endswith(".ome") and len(stem) > 4 else stem
    if scene is None:
        return stem
    return f"{stem}.scene-" + _UNSAFE.sub("_", str(scene).strip())


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
        Micrometres per pixel of level 0, where the file does not state it.
    override_mpp : float, optional
        Micrometres per pixel of level 0, whatever the file states.
    scene : int or str, optional
        Image to read of a file that holds several, by number (from 1) or name; the largest by
        default, with a warning.

    Attributes
    ----------
    path : Path or None
        Where it was read from; None for an array in memory.
    name : str
        Stem of the file; with the scene where one was requested.
    levels : list of Level
        Level 0 first.
    mpp_xy : (float, float)
        Micrometres per pixel of level 0, along x and y.
    mpp_source : str
        Where that comes from: a key of :data:`karyoscope.slides.scale.MPP_SOURCES`.
    scene : int, str or None
        The scene that was requested.
    scenes : sequence of Scene
        Images of the file that are not labels, macros or thumbnails; empty for formats that hold
        one.
    white_point : int
        Value of the stored samples that is read as white (255): 255 for 8 bits.
    cache_bytes : int
        Most bytes of decoded tiles that a reader keeps for neighbouring windows, where it keeps
        them itself (TIFF); 64 MiB unless set.
    remarks : tuple of str
        What the reader of a result should know of the file; warned of when it is opened.

    Raises
    ------
    KaryoscopeError
        If the file is missing, damaged or not of this format, it has no such scene, or its pixel
        size is unknown.
    """

    format: ClassVar[str]
    """Name of the reader, such as ``"tiff"``."""

    path: Path | None
    name: str
    levels: list[Level]
    mpp_xy: tuple[float, float]
    mpp_source: str
    scene: int | str | None = None
    scenes: Sequence[Scene] = ()
    white_point: int = 255
    cache_bytes: int = 64 << 20
    remarks: tuple[str, ...] = ()

    def __init__(
        self,
        path: str | Path,
        mpp: float | None = None,
        override_mpp: float | None = None,
        *,
        scene: int | str | None = None,
    ) -> None:
        self.path = Path(path)
        self.scene = scene
        self.name = slide_name(self.path, scene)
        self._start(mpp, override_mpp)

    def _start(self, mpp: float | None, override_mpp: float | None = None) -> None:
        label = str(self.path or self.name)
        self._distrust = Distrust()
        self._open()
        try:
            check_levels(type(self).__name__, self.levels)
            if self.scene is not None and not self.scenes:
                choose_scene([Scene("", *self.size)], self.scene, label)
            scale = resolve_scale(label, mpp, self._recorded_scale(), override_mpp)
            self.mpp_xy, self.mpp_source = scale.mpp, scale.source
        except BaseException:
            self.close()
            raise
        for remark in self.remarks:
            warn(f"{label}: {remark}", stacklevel=4)

    def _choose(self, scenes: Sequence[Scene]) -> int:
        """Place of the scene to read; a remark where one of several is taken unasked."""
        self.scenes = tuple(scenes)
        chosen = choose_scene(self.scenes, self.scene, str(self.path or self.name))
        if self.scene is None and len(self.scenes) > 1:
            self.remarks += (several_remark(self.scenes, chosen),)
        return chosen

    @classmethod
    @abstractmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Return whether this reader reads a file, judged by its path and first bytes.

        A folder has no first bytes.
        """

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
    def distrusted(self) -> frozenset[int]:
        """Levels that show another picture than level 0, and are not read; found when needed."""
        return self._distrust.of(str(self.path or self.name), self.levels, self._read_level)

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Part of level 0 that was scanned: x, y, width, height in pixels; all where unknown."""
        return 0, 0, *self.size

    @property
    def channels(self) -> tuple[str, ...]:
        """Names that the file gives to its channels; none where it gives none."""
        return ()

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

    def read_reduced(self, x: int, y: int, width: int, height: int, factor: int) -> np.ndarray:
        """Read a window of the slide made smaller by a whole number, for pyramids of tiles.

        Unlike in :meth:`read`, one pixel spans as many pixels of level 0 along both axes, also
        where those are not square.

        Parameters
        ----------
        x, y, width, height : int
            Window in reduced pixels; it may reach beyond the slide.
        factor : int
            Pixels of level 0 that one pixel spans along each axis, at least 1.

        Returns
        -------
        ndarray of uint8, shape (height, width, 3)
            RGB, a new array; white outside the slide.
        """
        if factor < 1:
            raise ValueError(f"cannot reduce by {factor}")
        return self._read_grid(grid_of(self.size, factor, factor), x, y, width, height)

    def thumbnail(self, max_edge: int = 1024, *, lenient: bool = False) -> tuple[np.ndarray, float]:
        """Whole slide at low resolution.

        Parameters
        ----------
        max_edge : int
            Longest edge in pixels, at most.
        lenient : bool
            Leave white what is damaged, in cells of 256 pixels of level 0, if anything can be read.

        Returns
        -------
        rgb : ndarray of uint8, shape (h, w, 3)
        scale : float
            Pixels of level 0 that one pixel spans, along both axes (a whole number).
        """
        scale = float(max(1, math.ceil(max(self.size) / max_edge)))
        grid = grid_of(self.size, scale, scale)
        try:
            return self._read_grid(grid, 0, 0, grid.width, grid.height), scale
        except KaryoscopeError as error:
            if not lenient:
                raise
            return self._read_cells(grid, error), scale

    def _read_cells(self, grid: Grid, error: KaryoscopeError) -> np.ndarray:
        """What can be read of a grid; the error where that is nothing."""
        picture = np.full((grid.height, grid.width, 3), 255, np.uint8)
        read = False
        edge = max(16, round(_CELL / grid.scale_x))
        for top in range(0, grid.height, edge):
            for left in range(0, grid.width, edge):
                cell = picture[top : top + edge, left : left + edge]
                with suppress(KaryoscopeError):
                    cell[:] = self._read_grid(grid, left, top, cell.shape[1], cell.shape[0])
                    read = True
        if not read:
            raise error
        return picture

    def _read_grid(self, grid: Grid, x: int, y: int, width: int, height: int) -> np.ndarray:
        check_window(x, y, width, height)
        left, right = max(0, x), min(grid.width, x + width)
        top, bottom = max(0, y), min(grid.height, y + height)
        if left >= right or top >= bottom:
            return np.full((height, width, 3), 255, np.uint8)
        box = left, top, right, bottom
        distrusted = self.distrusted if level_for(self.levels, grid) else frozenset()
        inside = sample(self.levels, self._read_level, grid, box, distrusted)
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
        names = ("path", "name", "mpp_xy", "mpp_source", "scene")
        return {name: getattr(self, name) for name in names} | {"distrust": self._distrust.known}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._distrust = Distrust(state.pop("distrust"))
        self.__dict__.update(state)
        self._open()

    def __repr__(self) -> str:
        width, height = self.size
        return f"{type(self).__name__}({self.name!r}, {width} x {height} at {self.mpp:g} µm/px)"
