"""The table of nuclei: one row a nucleus, columns as arrays, outlines as two flat arrays.

Coordinates are in pixels of the slide's level 0, with the origin at the top left *corner* of the
top left pixel: pixel (row 0, column 0) covers x in [0, 1) and y in [0, 1), and its centre is at
(0.5, 0.5). This is the convention of QuPath and GeoJSON.

An outline is one closed ring without holes, its first vertex not repeated. It runs through the
midpoints of the pixel edges that separate the nucleus from the rest, so it is never
self-intersecting, the centre of a pixel is inside it exactly when the pixel belongs to the
nucleus, and :meth:`Nuclei.label_image` gives the label image back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from karyoscope.core.conversions import Conversions
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.registry import choices
from karyoscope.core.taxonomy import Taxonomy

_COLUMNS: dict[str, Any] = {
    "id": np.uint32,
    "class_id": np.uint8,
    "x": np.float64,
    "y": np.float64,
    "area_um2": np.float32,
}


@dataclass(frozen=True)
class Nuclei(Conversions):
    """A table of ``n`` nuclei.

    ``nuclei[mask]``, ``nuclei[rows]`` and ``nuclei[start:stop]`` give the rows as another table,
    and ``nuclei["area_um2"]`` a column by the name that files use.

    Attributes
    ----------
    taxonomy : Taxonomy
        What ``class_id`` means.
    mpp : float
        Micrometres per pixel of the grid that ``x``, ``y`` and ``vertices`` are in (level 0).
    id : ndarray of uint32, shape (n,)
        Positive and distinct.
    class_id : ndarray of uint8, shape (n,)
        A class of the taxonomy, or 0 for "not classified".
    x, y : ndarray of float64, shape (n,)
        Centroid in pixels.
    area_um2 : ndarray of float32, shape (n,)
        Area in square micrometres, from the pixels of the mask.
    probabilities : ndarray of float32, shape (n, k)
        Probability of each class of the taxonomy, in its order; ``k`` is 0 where unknown.
    vertices : ndarray of float32, shape (v, 2)
        Outlines, (x, y) in pixels, one after the other.
    offsets : ndarray of int64, shape (n + 1,)
        Outline ``i`` is ``vertices[offsets[i]:offsets[i + 1]]``.
    measurements : mapping of str to ndarray, shape (n,)
        Further columns, such as features.
    """

    taxonomy: Taxonomy
    mpp: float
    id: np.ndarray
    class_id: np.ndarray
    x: np.ndarray
    y: np.ndarray
    area_um2: np.ndarray
    probabilities: np.ndarray
    vertices: np.ndarray
    offsets: np.ndarray
    measurements: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.id)
        for name, dtype in _COLUMNS.items():
            column = np.ascontiguousarray(getattr(self, name), dtype)
            if column.shape != (n,):
                raise ValueError(f"column {name!r} has shape {column.shape}, expected ({n},)")
            object.__setattr__(self, name, column)
        probabilities = np.ascontiguousarray(self.probabilities, np.float32)
        if probabilities.ndim != 2 or probabilities.shape[0] != n:
            raise ValueError(f"probabilities have shape {probabilities.shape}, expected ({n}, k)")
        object.__setattr__(self, "probabilities", probabilities)
        vertices = np.ascontiguousarray(self.vertices, np.float32).reshape(-1, 2)
        offsets = np.ascontiguousarray(self.offsets, np.int64)
        if offsets.shape != (n + 1,) or offsets[0] != 0 or offsets[-1] != len(vertices):
            raise ValueError("offsets must have n + 1 entries, from 0 to the number of vertices")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "offsets", offsets)
        for name, column in self.measurements.items():
            if np.shape(column) != (n,):
                raise ValueError(f"measurement {name!r} has shape {np.shape(column)}, not ({n},)")

    def __len__(self) -> int:
        return len(self.id)

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {count}" for name, count in self.counts().items())
        return f"Nuclei({len(self)} at {self.mpp:g} µm/px: {counts})"

    def _repr_html_(self) -> str:
        from karyoscope.core.html_table import ROWS, nuclei_html

        kinds = {self.taxonomy.by_id(i).name: i for i in (0, *self.taxonomy.ids)}
        classes = [
            (name, self.taxonomy.by_id(kinds[name]).color, n) for name, n in self.counts().items()
        ]
        first = self.take(np.arange(min(ROWS, len(self))))
        return nuclei_html(len(self), self.mpp, classes, first.columns())

    def __getitem__(self, rows: Any) -> Any:
        """Rows by mask, index or slice as another table, or a column by name."""
        if isinstance(rows, str):
            columns = self.columns()
            if rows not in columns:
                known = choices(rows, columns)
                raise KaryoscopeError(f"the nuclei have no column {rows!r}; there are {known}")
            return columns[rows]
        places = np.arange(len(self))
        rows = rows if isinstance(rows, slice) else np.asarray(rows)
        if isinstance(rows, np.ndarray) and rows.dtype != bool and rows.size == 0:
            rows = rows.astype(np.int64)
        try:
            return self.take(np.atleast_1d(places[rows]))
        except IndexError as error:
            raise IndexError(f"{len(self)} nuclei: {error}") from None

    @classmethod
    def empty(cls, taxonomy: Taxonomy, mpp: float) -> Nuclei:
        """Return a table without rows: the valid result for a slide without nuclei."""
        columns: dict[str, Any] = {name: np.zeros(0, dtype) for name, dtype in _COLUMNS.items()}
        return cls(
            taxonomy,
            mpp,
            **columns,
            probabilities=np.zeros((0, len(taxonomy)), np.float32),
            vertices=np.zeros((0, 2), np.float32),
            offsets=np.zeros(1, np.int64),
        )

    def outline(self, row: int) -> np.ndarray:
        """Outline of one row: (v, 2) float32, x and y in pixels, ring not closed."""
        return self.vertices[self.offsets[row] : self.offsets[row + 1]]

    def class_names(self) -> np.ndarray:
        """Name of each nucleus's class, shape (n,)."""
        table = np.array([self.taxonomy.by_id(i).name for i in (0, *self.taxonomy.ids)])
        return table[np.searchsorted((0, *self.taxonomy.ids), self.class_id)]

    def counts(self) -> dict[str, int]:
        """Nuclei per class, in the taxonomy's order; ``unclassified`` only where there are any."""
        histogram = np.bincount(self.class_id, minlength=256)
        counts = {c.name: int(histogram[c.id]) for c in self.taxonomy.classes}
        if histogram[0]:
            counts["unclassified"] = int(histogram[0])
        return counts

    def columns(self) -> dict[str, np.ndarray]:
        """Every column but the outlines, by the names that files use.

        ``id, class, x, y, area_um2``, then ``p_<class>`` for each probability, then the
        measurements.
        """
        columns = {
            "id": self.id,
            "class": self.class_names(),
            "x": self.x,
            "y": self.y,
            "area_um2": self.area_um2,
        }
        if self.probabilities.shape[1]:
            for k, name in enumerate(self.taxonomy.names):
                columns[f"p_{name}"] = self.probabilities[:, k]
        return columns | dict(self.measurements)

    def with_measurements(self, columns: Mapping[str, np.ndarray]) -> Nuclei:
        """The same nuclei with further columns, which replace those of the same name."""
        return replace(self, measurements={**self.measurements, **columns})

    def take(self, rows: np.ndarray | Sequence[int]) -> Nuclei:
        """Rows by index or by boolean mask, in the order given."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        source = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return replace(
            self,
            **{name: getattr(self, name)[rows] for name in _COLUMNS},
            probabilities=self.probabilities[rows],
            vertices=self.vertices[source],
            offsets=offsets,
            measurements={k: np.asarray(v)[rows] for k, v in self.measurements.items()},
        )

    def crop(self, x: float, y: float, width: float, height: float) -> Nuclei:
        """Nuclei whose centroid lies in the half-open box; coordinates are not changed."""
        inside = (self.x >= x) & (self.x < x + width) & (self.y >= y) & (self.y < y + height)
        return self.take(inside)

    def within(self, region: Any) -> Nuclei:
        """Nuclei whose centroid lies in a region; one on its outline does not.

        Parameters
        ----------
        region : shapely geometry, Region, GeoSeries, path, or ndarray of shape (v, 2)
            Area in pixels of level 0: a polygon, whatever has a ``__geo_interface__``, a GeoJSON
            file, or a ring of vertices. Of several areas a nucleus may lie in any.

        Raises
        ------
        KaryoscopeError
            If the region is none of these or has no area.
        """
        from karyoscope.core.regions import Region, Regions, area_of

        inside = Regions([Region("", area_of(region))]).holding(self.x, self.y)
        return self.take(inside.get(0, np.zeros(0, np.int64)))

    def shift(self, dx: float, dy: float) -> Nuclei:
        """Move every coordinate by (dx, dy) pixels."""
        return replace(
            self,
            x=self.x + dx,
            y=self.y + dy,
            vertices=(self.vertices + np.array([dx, dy])).astype(np.float32),
        )

    def scale(self, mpp: float) -> Nuclei:
        """Express the coordinates in pixels of another size; areas in µm² do not change."""
        factor = self.mpp / mpp
        return self.onto(factor, factor, mpp)

    def onto(self, scale_x: float, scale_y: float, mpp: float) -> Nuclei:
        """Move to another grid, of which one pixel here spans ``scale_x`` by ``scale_y`` pixels.

        Areas in µm² do not change; ``mpp`` is the pixel size of the other grid.
        """
        scale = np.array([scale_x, scale_y])
        return replace(
            self,
            mpp=mpp,
            x=self.x * scale_x,
            y=self.y * scale_y,
            vertices=(self.vertices.astype(np.float64) * scale).astype(np.float32),
        )

    def renumber(self, first: int = 1) -> Nuclei:
        """Give the rows the ids ``first, first + 1, ...``."""
        return replace(self, id=np.arange(first, first + len(self), dtype=np.uint32))

    @classmethod
    def concat(cls, parts: Iterable[Nuclei]) -> Nuclei:
        """Rows of all parts, concatenated; ids are not changed.

        Raises
        ------
        KaryoscopeError
            If the parts have different taxonomies, pixel sizes or columns, or there are none.
        """
        parts = list(parts)
        if not parts:
            raise KaryoscopeError("cannot concatenate no tables of nuclei")
        first = parts[0]
        for part in parts[1:]:
            if part.taxonomy != first.taxonomy or part.mpp != first.mpp:
                raise KaryoscopeError("tables of nuclei differ in classes or in pixel size")
            if part.measurements.keys() != first.measurements.keys():
                raise KaryoscopeError("tables of nuclei differ in their measurements")
        starts = np.cumsum([0] + [len(p.vertices) for p in parts])
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS
        }
        return replace(
            first,
            **columns,
            probabilities=np.concatenate([p.probabilities for p in parts]),
            vertices=np.concatenate([p.vertices for p in parts]),
            offsets=np.concatenate(
                [[0], *(p.offsets[1:] + s for p, s in zip(parts, starts, strict=False))]
            ),
            measurements={
                k: np.concatenate([p.measurements[k] for p in parts]) for k in first.measurements
            },
        )

    def label_image(self, width: int, height: int, x: int = 0, y: int = 0) -> np.ndarray:
        """Rasterise the outlines: each pixel holds the id of the nucleus its centre is in.

        Parameters
        ----------
        width, height : int
            Size of the result in pixels.
        x, y : int
            Top left pixel of the result on this table's grid.

        Returns
        -------
        ndarray of uint32, shape (height, width)
            0 where there is no nucleus; where outlines overlap, the later row wins.
        """
        from karyoscope.core.raster import fill_outlines

        return fill_outlines(self.vertices, self.offsets, self.id, x, y, width, height)

    def labels_and_classes(self, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Rasterise the outlines, numbered from 1, with the class of each number.

        Parameters
        ----------
        width, height : int
            Size of the result in pixels; its top left pixel is that of this table's grid.

        Returns
        -------
        labels : ndarray of int32, shape (height, width)
            Row of each nucleus plus 1, 0 where there is none.
        classes : ndarray of uint8, shape (n + 1,)
            Class by label; that of label 0 is 0.
        """
        labels = self.renumber().label_image(width, height).astype(np.int32)
        return labels, np.concatenate([np.zeros(1, np.uint8), self.class_id])
