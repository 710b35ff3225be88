"""Label image: at each pixel of the input the id of the nucleus there."""

from __future__ import annotations

from typing import Any

import numpy as np
import tifffile

from karyoscope.core.nuclei import Nuclei
from karyoscope.formats.base import Writer
from karyoscope.formats.images.idtable import ID_TABLE_SUFFIX, IdTable
from karyoscope.formats.images.pyramid import level_sizes, render
from karyoscope.formats.images.spool import OutlineSpool
from karyoscope.formats.images.tiles import TileStore

_TILE = 256


class LabelsWriter(Writer):
    """Tiled OME-TIFF of uint32 ids on level 0's grid; ``.labels.csv`` has class and colour of each.

    Images of more than 4096 pixels have a pyramid.
    """

    name = "labels"
    about = "label image of ids (OME-TIFF), with the class and colour of each"
    opens_in = "napari, Fiji, scikit-image, CellProfiler"
    suffix = ".labels.tif"
    companions = (ID_TABLE_SUFFIX,)

    _table: IdTable | None = None

    def _open(self) -> None:
        self.partial.touch()
        self._spool = OutlineSpool(self.scratch, _TILE, self.context)
        self._table = IdTable(self.companion(0))

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
            "UUID": self.context.uuid(),
            "PhysicalSizeX": self.context.mpp_x,
            "PhysicalSizeXUnit": "µm",
            "PhysicalSizeY": self.context.mpp_y,
            "PhysicalSizeYUnit": "µm",
        }

    def _release(self) -> None:
        if self._table is not None:
            self._table.release()
