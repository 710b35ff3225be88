"""OME-Zarr label image: a pyramid of ids for napari, QuPath and vizarr."""

from __future__ import annotations

from typing import Any

import numpy as np

from karyoscope.core.files import partial_name
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import load
from karyoscope.export._idtable import IdTable
from karyoscope.export._pyramid import level_sizes, render
from karyoscope.export._spool import OutlineSpool
from karyoscope.export.base import Writer

_CHUNK = 512


class OMEZarrWriter(Writer):
    """A folder: OME-NGFF 0.4 multiscale label image, and a CSV with the class of each id."""

    name = "ome-zarr"
    suffix = ".labels.ome.zarr"
    companions = (".labels.ome.csv",)

    _table: IdTable | None = None

    def _open(self) -> None:
        self._zarr = load("slides", "zarr", f"format {self.name!r}")
        self.partial.mkdir()
        self._spool = OutlineSpool(self.scratch, _CHUNK, self.context)
        self._table = IdTable(partial_name(self.paths(self.path)[1]))

    def _write(self, nuclei: Nuclei) -> None:
        assert self._table is not None
        self._spool.add(nuclei)
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
        root.attrs.update(self._metadata(len(sizes)))

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
                    "version": "0.4",
                    "name": self.context.slide,
                    "axes": axes,
                    "datasets": datasets,
                    "type": "nearest",
                }
            ],
            "image-label": {"version": "0.4"},
            "karyoscope": self.context.provenance(),
        }

    def _release(self) -> None:
        if self._table is not None:
            self._table.release()
