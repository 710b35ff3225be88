"""Label image: at each pixel of the input the id of the nucleus there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import tifffile

from karyoscope.export._pyramid import TILE, ReducedLevel, compressed_tiles
from karyoscope.export._spool import OutlineSpool
from karyoscope.export.base import Writer, close_quietly, partial_name
from karyoscope.nuclei import Nuclei

_SINGLE_LEVEL = 4096
_SMALLEST_LEVEL = 1024
_WINDOW = 16 * TILE


class LabelsWriter(Writer):
    """Tiled OME-TIFF of uint32 ids on level 0's grid, and ``.labels.csv`` with the class of each.

    Images up to 4096 pixels have one level; larger ones have a pyramid in which each level keeps
    every second pixel of the one before, so that levels are never mixtures of ids.
    """

    name = "labels"
    suffix = ".labels.tif"
    companions = (".labels.csv",)

    _table: IO[str] | None = None

    def _open(self) -> None:
        width, height = self.context.size
        self.partial.touch()
        like = Nuclei.empty(self.context.taxonomy, self.context.mpp)
        self._spool = OutlineSpool(self.scratch, TILE, -(-height // TILE), like)
        further = _further_levels(max(width, height))
        self._reduced = None
        if further:
            size = max(1, width // 2), max(1, height // 2)
            self._reduced = ReducedLevel(self.scratch, *size, further - 1)
        self._levels = 1 + further
        self._table = partial_name(self.paths(self.path)[1]).open("w", encoding="utf-8")
        self._table.write("id,class\n")

    def _write(self, nuclei: Nuclei) -> None:
        assert self._table is not None
        self._spool.add(nuclei)
        rows = zip(nuclei.id.tolist(), nuclei.class_names().tolist(), strict=True)
        self._table.writelines(f"{nucleus},{name}\n" for nucleus, name in rows)

    def _finish(self) -> None:
        assert self._table is not None
        self._table.close()
        width, height = self.context.size
        with tifffile.TiffWriter(self.partial, bigtiff=self._levels > 1, ome=True) as tif:
            main = {"subifds": self._levels - 1, "metadata": self._metadata()}
            self._write_level(tif, self._full_tiles(), width, height, 1, **main)
            level, step = self._reduced, 2
            while level is not None:
                reduced = {"subfiletype": 1, "metadata": None}
                self._write_level(tif, level.tiles(), level.width, level.height, step, **reduced)
                level, step = level.below, 2 * step

    def _metadata(self) -> dict[str, Any]:
        return {
            "axes": "YX",
            "Name": self.context.slide,
            "UUID": self.context.uuid(0),
            "PhysicalSizeX": self.context.mpp_x,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": self.context.mpp_y,
            "PhysicalSizeYUnit": "µm",
        }

    def _write_level(
        self,
        tif: tifffile.TiffWriter,
        tiles: Iterator[bytes],
        width: int,
        height: int,
        step: int,
        **tags: Any,
    ) -> None:
        tif.write(
            tiles,
            shape=(height, width),
            dtype=np.uint32,
            tile=(TILE, TILE),
            compression="zlib",
            photometric="minisblack",
            resolution=(1e4 / (self.context.mpp_x * step), 1e4 / (self.context.mpp_y * step)),
            resolutionunit="CENTIMETER",
            **tags,
        )

    def _full_tiles(self) -> Iterator[bytes]:
        """Compressed tiles of level 0, row by row; passes every second pixel on to level 1."""
        width, height = self.context.size
        for band, top in enumerate(range(0, height, TILE)):
            rows = min(TILE, height - top)
            half = np.zeros((-(-rows // 2), -(-width // 2)), np.uint32)
            tiles: list[bytes] = []
            for left, labels in self._windows(band, rows):
                reduced = labels[::2, ::2]
                half[:, left // 2 : left // 2 + reduced.shape[1]] = reduced
                tiles += compressed_tiles(labels)
            if self._reduced is not None:
                # Before the tiles are handed on: nobody asks for more after the last one.
                self._reduced.add(half)
            yield from tiles

    def _windows(self, band: int, rows: int) -> Iterator[tuple[int, np.ndarray]]:
        """Windows of one row of tiles from left to right: x of the first pixel, and ids."""
        width = self.context.size[0]
        nuclei = self._spool.read(band)
        x, starts = nuclei.vertices[:, 0], nuclei.offsets[:-1]
        low, high = (f.reduceat(x, starts) if len(x) else x for f in (np.minimum, np.maximum))
        for left in range(0, width, _WINDOW):
            columns = min(_WINDOW, width - left)
            inside = nuclei.take((high >= left) & (low <= left + columns))
            yield left, inside.label_image(columns, rows, left, band * TILE)

    def _release(self) -> None:
        if self._table is not None:
            close_quietly(self._table)


def _further_levels(longest: int) -> int:
    if longest <= _SINGLE_LEVEL:
        return 0
    return int(np.ceil(np.log2(longest / _SMALLEST_LEVEL)))
