"""Label image: at each pixel of the input the id of the nucleus there."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np
import tifffile

from karyoscope.export._spool import OutlineSpool
from karyoscope.export.base import Writer, close_quietly
from karyoscope.nuclei import Nuclei

_TILE = 256
_SINGLE_LEVEL = 4096
_SMALLEST_LEVEL = 1024
# A band of the spool is one row of tiles, and must be one row of pixels or more at every level.
_MOST_LEVELS = 1 + int(np.log2(_TILE))


class LabelsWriter(Writer):
    """Tiled OME-TIFF of uint32 ids on level 0's grid, and ``.labels.csv`` with the class of each.

    Images up to 4096 pixels have one level; larger ones have a pyramid in which each level halves
    the one before. A pixel of any level holds the nucleus that its centre is in, so levels are
    never mixtures of ids.
    """

    name = "labels"
    suffix = ".labels.tif"
    companions = (".labels.csv",)

    _table: IO[str] | None = None

    def _open(self) -> None:
        width, height = self.context.size
        self.partial.touch()
        self._levels = _levels(max(width, height))
        self._spool = OutlineSpool(self.scratch, _TILE, -(-height // _TILE))
        companion = self.partial.with_name(f".{self.paths(self.path)[1].name}.partial")
        self._table = companion.open("w", encoding="utf-8")
        self._table.write("id,class\n")

    def _write(self, nuclei: Nuclei) -> None:
        assert self._table is not None
        self._spool.add(nuclei)
        rows = zip(nuclei.id.tolist(), nuclei.class_names().tolist(), strict=True)
        self._table.writelines(f"{nucleus},{name}\n" for nucleus, name in rows)

    def _finish(self) -> None:
        assert self._table is not None
        self._table.close()
        with tifffile.TiffWriter(self.partial, bigtiff=self._levels > 1, ome=True) as tif:
            for level in range(self._levels):
                self._write_level(tif, level)

    def _write_level(self, tif: tifffile.TiffWriter, level: int) -> None:
        context = self.context
        width, height = _size(context.size, level)
        step = 2**level
        main = {
            "subifds": self._levels - 1,
            "metadata": {
                "axes": "YX",
                "Name": context.slide,
                "UUID": context.uuid(0),
                "PhysicalSizeX": context.mpp_x,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": context.mpp_y,
                "PhysicalSizeYUnit": "µm",
            },
        }
        tif.write(
            self._tiles(level),
            shape=(height, width),
            dtype=np.uint32,
            tile=(_TILE, _TILE),
            compression="zlib",
            photometric="minisblack",
            resolution=(1e4 / (context.mpp_x * step), 1e4 / (context.mpp_y * step)),
            resolutionunit="CENTIMETER",
            **(main if level == 0 else {"subfiletype": 1, "metadata": None}),
        )

    def _tiles(self, level: int) -> Iterator[bytes]:
        """Compressed tiles of one level, row by row."""
        width, height = _size(self.context.size, level)
        blank = zlib.compress(bytes(4 * _TILE * _TILE), 1)
        for top in range(0, height, _TILE):
            strip = self._strip(level, top, width)
            for left in range(0, width, _TILE):
                tile = strip[:, left : left + _TILE]
                if not tile.any():
                    yield blank
                    continue
                tile = np.pad(tile, ((0, 0), (0, _TILE - tile.shape[1])))
                yield zlib.compress(tile.astype("<u4").tobytes(), 1)

    def _strip(self, level: int, top: int, width: int) -> np.ndarray:
        """One row of tiles, uint32, rendered band by band."""
        like = Nuclei.empty(self.context.taxonomy, self.context.mpp)
        strip = np.zeros((_TILE, width), np.uint32)
        rows = _TILE >> level
        for i in range(2**level):
            nuclei = self._spool.read(top // rows + i, like)
            if len(nuclei):
                scaled = nuclei.scale(like.mpp * 2**level)
                strip[i * rows : (i + 1) * rows] = scaled.label_image(
                    width, rows, 0, top + i * rows
                )
        return strip

    def _release(self) -> None:
        if self._table is not None:
            close_quietly(self._table)


def _levels(longest: int) -> int:
    if longest <= _SINGLE_LEVEL:
        return 1
    return min(_MOST_LEVELS, 1 + int(np.ceil(np.log2(longest / _SMALLEST_LEVEL))))


def _size(size: tuple[int, int], level: int) -> tuple[int, int]:
    return max(1, size[0] >> level), max(1, size[1] >> level)
