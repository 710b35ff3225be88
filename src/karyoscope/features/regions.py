"""Regions that someone drew: counts, densities, shares, and how nuclei are distributed in them.

There is a row for each annotation, for each class of annotation (their union: where two overlap,
their nuclei count once), for what lies in none (``outside``) and for everything (``all``). What an
annotation counts may be counted by another, too, as in QuPath: an inner one takes nothing from
the outer. So the rows of annotations that do not overlap and the row ``outside`` add up to ``all``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import COLUMN, Regions
from karyoscope.core.taxonomy import UNCLASSIFIED, Taxonomy
from karyoscope.features.spread import spread_of

if TYPE_CHECKING:
    import shapely


class RegionTally:
    """Counts nuclei and areas by region, block by block.

    Holds the centroids of the nuclei in regions (16 bytes per nucleus and region), whose
    distribution is measured at the end.

    Parameters
    ----------
    regions : Regions
    taxonomy : Taxonomy
    mpp_xy : (float, float)
        Micrometres per pixel of level 0 along x and y.
    size : (int, int)
        Width and height of the slide in pixels of level 0.
    """

    def __init__(
        self,
        regions: Regions,
        taxonomy: Taxonomy,
        mpp_xy: tuple[float, float],
        size: tuple[int, int],
    ) -> None:
        self._regions, self._taxonomy = regions, taxonomy
        self._mpp, self._size = np.array(mpp_xy, np.float64), size
        self._classes = {
            name: [k for k, region in enumerate(regions) if region.class_name == name]
            for name in regions.classes
        }
        self._outside = len(regions) + len(self._classes)
        rows = self._outside + 2
        self._counts = np.zeros((rows, 256), np.int64)
        self._areas = np.zeros((rows, 256))
        self._analysed, self._tissue = np.zeros(rows), np.zeros(rows)
        self._tissue_known = False
        self._points: list[list[np.ndarray]] = [[] for _ in range(self._outside)]
        self._sums: dict[str, np.ndarray] = {}
        self._finite: dict[str, np.ndarray] = {}

    def add(self, nuclei: Nuclei) -> Nuclei:
        """Count a block of nuclei, in pixels of level 0, and give them the column ``region``.

        Returns
        -------
        Nuclei
            The same, with the name of the smallest region that holds each, or an empty text.
        """
        holding = self._regions.holding(nuclei.x, nuclei.y)
        points = np.stack([nuclei.x, nuclei.y], 1)
        for row, members in self._rows_of(holding, len(nuclei)):
            classes = nuclei.class_id[members]
            self._counts[row] += np.bincount(classes, minlength=256)
            self._areas[row] += np.bincount(classes, nuclei.area_um2[members], minlength=256)
            self._add_means(row, nuclei, members)
            if row < self._outside:
                self._points[row].append(points[members])
        places = self._regions.innermost(len(nuclei), holding)
        return nuclei.with_measurements({COLUMN: self._regions.names_of(places)})

    def add_area(
        self,
        shape: shapely.Geometry,
        tissue: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
    ) -> None:
        """Add a part of the slide that was analysed; parts must not overlap.

        Parameters
        ----------
        shape : shapely.Geometry
            The part, in pixels of level 0.
        tissue : (ndarray, ndarray, ndarray), optional
            Centres x and y of cells that hold tissue, and how much, in pixels of level 0. A cell
            belongs to the regions that hold its centre. None where the tissue is not known.
        """
        import shapely

        pieces = {
            place: shapely.intersection(self._regions[place].geometry, shape)
            for place in self._regions.meeting(shape)
        }
        unions = [shapely.union_all([pieces[k] for k in m if k in pieces]) for m in self._members]
        inner = shapely.union_all(list(pieces.values()))
        for place, piece in pieces.items():
            self._analysed[place] += piece.area
        for row, union in enumerate(unions, start=len(self._regions)):
            self._analysed[row] += union.area
        self._analysed[self._outside] += shape.area - inner.area
        self._analysed[-1] += shape.area
        if tissue is not None:
            self._tissue_known = True
            x, y, pixels = tissue
            for row, cells in self._rows_of(self._regions.holding(x, y), len(x)):
                self._tissue[row] += pixels[cells].sum()

    @property
    def _members(self) -> list[list[int]]:
        return list(self._classes.values())

    def _rows_of(
        self, holding: dict[int, np.ndarray], count: int
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Every row that has some of ``count`` points, and which those are."""
        yield from holding.items()
        inside = np.zeros(count, bool)
        for row, members in enumerate(self._members, start=len(self._regions)):
            of_class = np.zeros(count, bool)
            for place in members:
                of_class[holding.get(place, [])] = True
            if of_class.any():
                yield row, np.flatnonzero(of_class)
        for rows in holding.values():
            inside[rows] = True
        yield self._outside, np.flatnonzero(~inside)
        yield self._outside + 1, np.arange(count)

    def _add_means(self, row: int, nuclei: Nuclei, members: np.ndarray) -> None:
        for name, column in nuclei.measurements.items():
            # The mean of angles says nothing, nor of names.
            if column.dtype.kind not in "fiu" or name.endswith("_deg"):
                continue
            values = column[members].astype(np.float64)
            finite = np.isfinite(values)
            for totals, part in (
                (self._sums, values[finite].sum()),
                (self._finite, finite.sum()),
            ):
                totals.setdefault(name, np.zeros(len(self._counts)))[row] += part

    def rows(self) -> list[dict[str, Any]]:
        """Return what was counted, as plain data.

        Returns
        -------
        list of dict
            ``kind`` (``annotation``, ``class``, ``outside`` or ``all``), ``region``, ``class``,
            ``id``, ``area_mm2`` (on the slide), ``analysed_mm2``, ``tissue_mm2`` (None where it is
            not known), ``nuclei``, ``density_per_mm2`` (of tissue), ``mean_area_um2``, the
            entries of :func:`~karyoscope.features.spread.spread_of`, ``classes`` (the same by
            class of nucleus) and ``means`` (of every measured feature). A ratio without meaning is
            None.
        """
        import shapely

        slide = float(np.prod(self._size))
        geometries = [region.geometry for region in self._regions]
        unions = [shapely.union_all([geometries[k] for k in m]) for m in self._members]
        heads = [("annotation", r.name, r.class_name, r.id) for r in self._regions]
        heads += [("class", "", name, "") for name in self._classes]
        heads += [("outside", "", "", ""), ("all", "", "", "")]
        px = [g.area for g in (*geometries, *unions)]
        px += [slide - shapely.union_all(geometries).area, slide]
        shapes = [*geometries, *unions, None, None]
        return [
            {
                **dict(zip(("kind", "region", "class", "id"), head, strict=True)),
                "area_mm2": px[row] * self._mm2,
                **self._numbers(row, shapes[row]),
            }
            for row, head in enumerate(heads)
        ]

    @property
    def _mm2(self) -> float:
        """Square millimetres of a pixel of level 0."""
        return float(self._mpp.prod()) * 1e-6

    def _numbers(self, row: int, shape: shapely.Geometry | None) -> dict[str, Any]:
        counts, areas = self._counts[row], self._areas[row]
        tissue = float(self._tissue[row]) * self._mm2 if self._tissue_known else None
        total = int(counts.sum())
        classes = list(self._taxonomy.classes)
        if self._counts[:, UNCLASSIFIED.id].any():
            classes.append(UNCLASSIFIED)
        none = np.zeros((0, 2))
        points = None if shape is None else np.concatenate([none, *self._points[row]])
        return {
            "analysed_mm2": float(self._analysed[row]) * self._mm2,
            "tissue_mm2": tissue,
            "nuclei": total,
            "density_per_mm2": _ratio(total, tissue),
            "mean_area_um2": _ratio(float(areas.sum()), total),
            **spread_of(points, shape, counts, self._mpp),
            "classes": [
                {
                    "name": c.name,
                    "count": int(counts[c.id]),
                    "share": _ratio(int(counts[c.id]), total),
                    "density_per_mm2": _ratio(int(counts[c.id]), tissue),
                    "mean_area_um2": _ratio(float(areas[c.id]), int(counts[c.id])),
                }
                for c in classes
            ],
            "means": {
                name: _ratio(float(sums[row]), float(self._finite[name][row]))
                for name, sums in self._sums.items()
            },
        }


def _ratio(part: float, whole: float | None) -> float | None:
    """Quotient, or None where it has no meaning."""
    return part / whole if whole is not None and whole > 0 else None
