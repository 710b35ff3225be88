"""Slides and images written again with other colours."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.pipeline.stains.stain import Stain
from karyoscope.slides import Slide, open_slide

_TILE = 512
#: Columns that are read at once.
_WINDOW = 4096
#: Levels are halved until the longest edge is at most this.
_SMALLEST_LEVEL = 2048
_PLAIN = ("raster", "array")
_QUALITY = 92


def recolour_file(
    path: str | Path,
    out: Path,
    stain: Stain,
    mpp: float | None = None,
    overwrite: bool = False,
    watch: Callable[[int, int], None] = lambda done, all_: None,
    override_mpp: float | None = None,
) -> Path:
    """Write one slide or image with the colours of a stain.

    A plain image becomes ``<stem>.png``; a slide ``<stem>.tif``, a tiled TIFF with JPEG tiles, a
    pyramid and its pixel size. Both are at the scale that the stain works at, the input's own
    where it works at any.

    Parameters
    ----------
    path : path
        Slide or image.
    out : path
        Folder; made where it is missing.
    stain : Stain
    mpp : float, optional
        Micrometres per pixel of level 0; needed where the file does not state it.
    overwrite : bool
        Replace a file that exists.
    watch : callable
        Called with rows of tiles done and all.
    override_mpp : float, optional
        Micrometres per pixel of level 0, whatever the file states.

    Returns
    -------
    path
        Files that were written.

    Raises
    ------
    KaryoscopeError
        If the input cannot be read or the output not written, or is there already.
    """
    with open_slide(path, mpp, override_mpp) as slide:
        target = out / (slide.name + (".png" if slide.format in _PLAIN else ".tif"))
        if target.exists() and (not overwrite or target.resolve() == Path(path).resolve()):
            raise KaryoscopeError(f"{target} exists: give --overwrite or another --out")
        write = _write_png if slide.format in _PLAIN else _write_tiff
        with writing(target) as partial:
            out.mkdir(parents=True, exist_ok=True)
            recoloured = stain.over(slide, stain.mpp)
            write(partial, recoloured, stain.mpp, watch)
    return target


def _write_png(
    path: Path, slide: Slide, mpp: float | None, watch: Callable[[int, int], None]
) -> None:
    grid = slide.grid(mpp)
    rgb = slide.read(0, 0, grid.width, grid.height, mpp)
    ok, png = cv2.imencode(".png", rgb[..., ::-1])
    if not ok:
        raise OSError("the image cannot be encoded as PNG")
    path.write_bytes(png.data)
    watch(1, 1)


def _write_tiff(
    path: Path, slide: Slide, mpp: float | None, watch: Callable[[int, int], None]
) -> None:
    """Level by level; each is halved on the disk while it is written, for the next."""
    grid = slide.grid(mpp)
    scale = grid.scale_x * slide.mpp_xy[0], grid.scale_y * slide.mpp_xy[1]
    sizes = _level_sizes(grid.width, grid.height)
    scratch = path.with_name(path.name + ".levels")
    scratch.mkdir()
    try:
        with tifffile.TiffWriter(path, bigtiff=len(sizes) > 2) as tif:
            rows: Iterator[np.ndarray] = _strips_of_slide(slide, mpp, watch)
            for level, (width, height) in enumerate(sizes):
                half = None
                if level + 1 < len(sizes):
                    shape = (sizes[level + 1][1], sizes[level + 1][0], 3)
                    half = np.memmap(scratch / str(level), np.uint8, "w+", shape=shape)
                first = {"subifds": len(sizes) - 1}
                place: dict[str, Any] = {"subfiletype": 1} if level else first
                tif.write(
                    _tiles(rows, half),
                    shape=(height, width, 3),
                    dtype=np.uint8,
                    tile=(_TILE, _TILE),
                    photometric="rgb",
                    compression="jpeg",
                    compressionargs={"level": _QUALITY},
                    resolution=(1e4 / (scale[0] * 2**level), 1e4 / (scale[1] * 2**level)),
                    resolutionunit="CENTIMETER",
                    metadata=None,
                    **place,
                )
                if half is not None:
                    rows = _strips_of_array(half)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _level_sizes(width: int, height: int) -> list[tuple[int, int]]:
    sizes = [(width, height)]
    while max(sizes[-1]) > _SMALLEST_LEVEL:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def _strips_of_slide(
    slide: Slide, mpp: float | None, watch: Callable[[int, int], None]
) -> Iterator[np.ndarray]:
    grid = slide.grid(mpp)
    tops = range(0, grid.height, _TILE)
    for row, top in enumerate(tops):
        rows = min(_TILE, grid.height - top)
        strip = np.empty((rows, grid.width, 3), np.uint8)
        for left in range(0, grid.width, _WINDOW):
            columns = min(_WINDOW, grid.width - left)
            strip[:, left : left + columns] = slide.read(left, top, columns, rows, mpp)
        yield strip
        watch(row + 1, len(tops))


def _strips_of_array(array: np.ndarray) -> Iterator[np.ndarray]:
    for top in range(0, len(array), _TILE):
        yield np.array(array[top : top + _TILE])


def _tiles(strips: Iterator[np.ndarray], half: np.ndarray | None) -> Iterator[np.ndarray]:
    """Tiles of an image, row by row, which on the way is halved into another array."""
    top = 0
    for strip in strips:
        if half is not None:
            even = np.pad(strip, [(0, edge % 2) for edge in strip.shape[:2]] + [(0, 0)], "edge")
            small = cv2.resize(
                even, (even.shape[1] // 2, even.shape[0] // 2), interpolation=cv2.INTER_AREA
            )
            half[top : top + len(small)] = small
            top += len(small)
        for left in range(0, strip.shape[1], _TILE):
            tile = strip[:, left : left + _TILE]
            missing = [(0, _TILE - edge) for edge in tile.shape[:2]]
            yield np.pad(tile, [*missing, (0, 0)], "edge")
