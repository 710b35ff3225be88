"""Faults of the slide as annotations: ``<stem>.quality.geojson``, for QuPath."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.faults import KINDS
from karyoscope.core.nuclei import Nuclei
from karyoscope.formats.base import Writer
from karyoscope.formats.outlines.crs import PIXELS

if TYPE_CHECKING:
    import shapely


class QualityWriter(Writer):
    """GeoJSON with an annotation for each kind of fault that the slide has.

    Its class is the name of the kind; its outline follows the cells of 32 µm. Positions count from
    the corner of the scanned part, as in the GeoJSON of nuclei. Where faults were not looked for
    there is none.
    """

    name = "quality"
    suffix = ".quality.geojson"
    about = "masks of the faults of the slide, by kind"
    opens_in = "QuPath, geopandas"
    reports_run = True

    def _open(self) -> None:
        self._nuclei = 0
        self.partial.touch()

    def _write(self, nuclei: Nuclei) -> None:
        self._nuclei += len(nuclei)

    def _finish(self) -> None:
        masks, cell = self.run.faults or ({}, 1)
        features = [
            self._feature(name, _outline(mask, cell, self.context.size, self.context.scanned_from))
            for name, mask in masks.items()
            if mask.any()
        ]
        collection = {
            "type": "FeatureCollection",
            "crs": PIXELS,
            "features": features,
            "karyoscope": self.context.provenance() | {"nuclei": self._nuclei},
            "kinds": {kind.name: kind.definition for kind in KINDS.values()},
        }
        self.partial.write_text(json.dumps(collection) + "\n", encoding="utf-8")

    def _feature(self, name: str, outline: shapely.Geometry) -> dict[str, Any]:
        import shapely

        return {
            "type": "Feature",
            "id": self.context.uuid(1 + list(KINDS).index(name)),
            "geometry": json.loads(shapely.to_geojson(outline)),
            "properties": {
                "objectType": "annotation",
                "name": name,
                "classification": {"name": name, "color": list(KINDS[name].color)},
            },
        }


def _outline(
    mask: np.ndarray, cell: int, size: tuple[int, int], origin: tuple[int, int]
) -> shapely.Geometry:
    """Union of the cells of a mask, cut off at the edge of the slide."""
    import shapely

    padded = np.pad(mask.astype(np.int8), [(0, 0), (1, 1)])
    row, start = np.nonzero(np.diff(padded, axis=1) == 1)
    _, stop = np.nonzero(np.diff(padded, axis=1) == -1)
    runs = shapely.box(start * cell, row * cell, stop * cell, (row + 1) * cell)
    whole = shapely.intersection(shapely.union_all(runs), shapely.box(0, 0, *size))
    return shapely.transform(whole, lambda places: places - np.array(origin))
