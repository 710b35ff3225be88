"""OME-Zarr label image: a pyramid of ids for napari, QuPath and vizarr."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import load
from karyoscope.formats.base import Writer
from karyoscope.formats.images.idtable import ID_TABLE_SUFFIX, IdTable
from karyoscope.formats.images.ngff import LabelNames
from karyoscope.formats.images.pyramid import level_sizes, render
from karyoscope.formats.images.spool import OutlineSpool

_CHUNK = 512
_VERSION = "0.4"


class OMEZarrWriter(Writer):
    """A folder: OME-NGFF 0.4 multiscale label image with the colour and class of each id.

    The key ``image-label`` holds colours and classes, which napari shows, of up to 200,000 nuclei.
    The table ``.labels.csv``, which is that of the format ``labels``, too, has those of any number.
    """

    name = "ome-zarr"
    about = "label image of ids (OME-NGFF 0.4) with classes and colours"
    opens_in = "napari, vizarr, Fiji"
    needs = ("slides", "zarr")
    suffix = ".labels.ome.zarr"
    companions = (ID_TABLE_SUFFIX,)

    _table: IdTable | None = None

    def _open(self) -> None:
        self._zarr = load(*self.needs, f"format {self.name!r}")
        self.partial.mkdir()
        self._spool = OutlineSpool(self.scratch, _CHUNK, self.context)
        self._names = LabelNames(self.scratch / "names", self.context.taxonomy)
        self._table = IdTable(self.companion(0))

    def _write(self, nuclei: Nuclei) -> None:
        assert self._table is not None
        self._spool.add(nuclei)
        self._names.add(nuclei)
        self._table.write(nuclei)

    def _finish(self) -> None:
        assert self._table is not None
        self._table.close()
        sizes = level_sizes(self.context.size)
        root = self._zarr.open_group(str(self.partial), mode="w", zarr_format=2)
        levels = [
            root.create_array(
                str(level),
                shape=(height, width),
                chunks=(_CHUNK, _CHUNK),
                dtype=np.uint32,
                fill_value=0,
                chunk_key_encoding={"name": "v2", "separator": "/"},
            )
            for level, (width, height) in enumerate(sizes)
        ]

        def put(level: int, top: int, left: int, labels: np.ndarray) -> None:
            # Chunks without a nucleus are left out: what is absent is 0.
            if labels.any():
                height, width = labels.shape
                levels[level][top : top + height, left : left + width] = labels

        render(self._spool, sizes, _CHUNK, put)
        # By hand, since all names at once would take more memory than all else.
        with (self.partial / ".zattrs").open("w", encoding="utf-8") as file:
            file.write('{"image-label": ')
            self._names.write(file, _VERSION)
            rest = json.dumps(self._metadata(len(sizes)), ensure_ascii=False)
            file.write(f", {rest[1:]}")

    def _metadata(self, levels: int) -> dict[str, Any]:
        mpp = (self.context.mpp_y, self.context.mpp_x)
        axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in ("y", "x")]
        datasets = [
            {
                "path": str(level),
                "coordinateTransformations": [
                    {"type": "scale", "scale": [length * 2**level for length in mpp]}
                ],
            }
            for level in range(levels)
        ]
        return {
            "multiscales": [
                {
                    "version": _VERSION,
                    "name": self.context.slide,
                    "axes": axes,
                    "datasets": datasets,
                    "type": "nearest",
                }
            ],
            "karyoscope": self.context.provenance(),
        }

    def _release(self) -> None:
        if self._table is not None:
            self._table.release()
