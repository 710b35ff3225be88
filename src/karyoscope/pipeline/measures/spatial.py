"""Spatial scores of a slide: associations of classes, and immune cells around epithelium."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import Regions
from karyoscope.features.associations import ClassAssociations
from karyoscope.features.immune import MARGIN_COLUMNS, MARGIN_UM, ImmuneScores
from karyoscope.formats import ExportContext
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Box

if TYPE_CHECKING:
    import shapely


class SpatialScores:
    """Nuclei and tissue, block by block, and the scores at the end.

    Parameters
    ----------
    context : ExportContext
        Slide, scale, classes and regions.
    radius_um : float
        Radius of the neighbourhood, in µm.
    wanted : bool
        Whether scores are wanted; if not, no nuclei are held and there are no scores.
    """

    def __init__(self, context: ExportContext, radius_um: float, wanted: bool) -> None:
        self._mpp = mpp = context.mpp_x, context.mpp_y
        self._wanted, self._regions = wanted, context.regions
        self._pairs = ClassAssociations(context.taxonomy, mpp, radius_um)
        self._immune = ImmuneScores(context.taxonomy, mpp, context.size if wanted else (1, 1))
        self._tissue_known = False

    def add(self, nuclei: Nuclei) -> None:
        """Take note of a block of nuclei."""
        if self._wanted:
            self._pairs.add(nuclei)
            self._immune.add(nuclei)

    def add_area(self, area: Area, part: Box) -> None:
        """Take note of the tissue in a part of the grid that was analysed."""
        if self._wanted and area.mask is not None:
            self._tissue_known = True
            self._immune.add_tissue(*area.tissue_cells(part))

    def scores(self) -> dict[str, Any]:
        """Return what the summary says under ``spatial``.

        Returns
        -------
        dict
            ``pairs``: rows of :meth:`ClassAssociations.rows`; ``immune``: scores of
            :meth:`ImmuneScores.scores`, where the tissue is known. Empty where not wanted.
        """
        if not self._wanted:
            return {}
        return {"pairs": self._pairs.rows(), "immune": self._immune_scores()}

    def with_regions(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of regions with their immune scores under ``immune``."""
        if not self._wanted or self._regions is None:
            return rows
        return [row | {"immune": self._of_region(row, self._regions)} for row in rows]

    def _of_region(self, row: dict[str, Any], regions: Regions) -> dict[str, Any]:
        """Scores of the area that a row is about, and beside its outline."""
        shape = _shape(row, regions)
        if shape is None:
            return self._immune_scores()
        inside = row["kind"] != "outside"
        found = self._immune_scores(_inside(shape, inside))
        if not inside or not found:
            return found
        import shapely

        margin = MARGIN_UM / float(np.sqrt(np.prod(self._mpp)))
        zones = (
            shapely.difference(shape, shapely.buffer(shape, -margin)),
            shapely.difference(shapely.buffer(shape, margin), shape),
        )
        densities = [self._immune.density(_inside(zone)) for zone in zones]
        return found | dict(zip(MARGIN_COLUMNS, densities, strict=True))

    def _immune_scores(
        self, within: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    ) -> dict[str, Any]:
        return self._immune.scores(within) if self._tissue_known else {}


def _shape(row: dict[str, Any], regions: Regions) -> shapely.Geometry | None:
    """Outline of the annotations that a row is about, or lies outside of; None for everything."""
    if row["kind"] == "all":
        return None
    import shapely

    chosen = [
        region.geometry
        for region in regions
        if row["kind"] == "outside"
        or (row["kind"] == "annotation" and region.name == row["region"])
        or (row["kind"] == "class" and region.class_name == row["class"])
    ]
    return shapely.union_all(chosen)


def _inside(
    shape: shapely.Geometry, inside: bool = True
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Tell which points are in a shape, or outside of it."""
    import shapely

    shapely.prepare(shape)
    return lambda x, y: np.asarray(shapely.contains_xy(shape, x, y) == inside)
