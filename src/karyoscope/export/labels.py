"""Label image: at each pixel of the input the id of the nucleus there."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile

from karyoscope.core.files import partial_name
from karyoscope.core.nuclei import Nuclei
from karyoscope.export._idtable import IdTable
from karyoscope.export._pyramid import level_sizes, render
from karyoscope.export._spool import OutlineSpool
from karyoscope.export._tiles import TileStore
from karyoscope.export.base import Writer

_TILE = 256


class LabelsWriter(Writer):
    """Tiled OME-TIFF of uint32 ids on level 0's grid, and ``.labels.csv`` with the class of each.

    Images of more than 4096 pixels have a pyramid.
    """

    name = "labels"
    suffix = ".labels.tif"
    companions = (".labels.csv",)

    _table: IdTable | None = None

    def _open(self) -> None:
        self.partial.touch()
        self._spool = OutlineSpool(self.scratch, _TILE, self.context)
        self._table = IdTable(partial_name(self.paths(self.path)[1]))

    def _write(self, nuclei: Nuclei) -> None:
        assert self._table is not None
        self._spool.add(nuclei)
        self._table.write(nuclei)

    def _finish(self) -> None:
        assert self._table is not None
        self._table.close()
        sizes = level_sizes(self.context.size)
        store = TileStore(self.scratch, _TILE)
        render(self._spool, sizes, _TILE, store.put)
        with tifffile.TiffWriter(self.partial, bigtiff=len(sizes) > 1, ome=True) as tif:
            for level, (width, height) in enumerate(sizes):
                main = {"subifds": len(sizes) - 1, "metadata": self._metadata()}
                scale = [1e4 / (mpp * 2**level) for mpp in (self.context.mpp_x, self.context.mpp_y)]
                tif.write(
                    store.tiles(level),
                    shape=(height, width),
                    dtype=np.uint32,
                    tile=(_TILE, _TILE),
                    compression="zlib",
                    photometric="minisblack",
                    resolution=(scale[0], scale[1]),
                    resolutionunit="CENTIMETER",
                    **(main if level == 0 else {"subfiletype": 1, "metadata": None}),
                )

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

    def _release(self) -> None:
        if self._table is not None:
            self._table.release()
