"""Cells: nuclei whose outline is expanded by a distance, but not into neighbours.

As in QuPath's cell detection, which has 5 µm unless another distance is asked for (P. Bankhead et
al., "QuPath", Scientific Reports 7, 2017): a point belongs to the nucleus that is nearest, if that
is within the distance.
"""

from __future__ import annotations

import tempfile
from functools import cached_property

import cv2
import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.raster import fill_outlines
from karyoscope.features.base import EXPANSION_UM, Feature, FeatureContext, FeatureGroup

#: Pixels that cells are measured in, µm, and of what is measured at once.
_PIXEL_UM, TILE = 0.5, 1024

COLUMNS = (
    Feature(
        "cell_area_um2",
        "µm²",
        "area of the nucleus expanded by `--cell-expansion`, but not into neighbours",
    ),
    Feature("nucleus_cell_ratio", "", "area of the nucleus / area of the cell"),
)


def expanded_labels(labels: np.ndarray, distance: float) -> np.ndarray:
    """Expand labels by a distance; of two that are near, the nearer one gets a pixel.

    Parameters
    ----------
    labels : ndarray of uint32, shape (h, w)
        0 where there is none.
    distance : float
        Between centres of pixels, in pixels.

    Returns
    -------
    ndarray of uint32, shape (h, w)
        Labelled pixels keep their label.
    """
    inside = labels > 0
    if not inside.any():
        return labels.copy()
    _, nearest = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    y, x = np.nonzero(inside)
    places = np.zeros((int(nearest.max()) + 1, 2), np.float32)
    owners = np.zeros(len(places), np.uint32)
    numbers = nearest[y, x]
    places[numbers] = np.stack([y, x], 1)
    owners[numbers] = labels[y, x]
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    # The transform is exact to 2 %; the distance to the pixel that it found is exact.
    squared = (places[nearest, 0] - rows) ** 2 + (places[nearest, 1] - columns) ** 2
    return np.where(squared <= distance**2, owners[nearest], 0).astype(np.uint32)


class CellExpansion:
    """Areas of cells, once all nuclei of a slide are known.

    Outlines wait in a temporary file; 32 bytes per nucleus are held. The values do not depend on
    the blocks in which nuclei are added.

    Parameters
    ----------
    mpp_xy : (float, float)
        Micrometres per pixel along x and y.
    distance_um : float
        Distance by which nuclei are expanded, in µm.
    """

    def __init__(self, mpp_xy: tuple[float, float], distance_um: float = EXPANSION_UM) -> None:
        self._scale = np.array(mpp_xy) / _PIXEL_UM
        self._distance = distance_um / _PIXEL_UM
        self._file = tempfile.TemporaryFile(prefix="karyoscope-")  # noqa: SIM115 (held)
        self._ids: list[np.ndarray] = []
        self._lengths: list[np.ndarray] = []
        self._boxes: list[np.ndarray] = []

    def add(self, nuclei: Nuclei) -> None:
        """Take note of a block of nuclei; only before the first is measured."""
        if not len(nuclei):
            return
        places = (nuclei.vertices * self._scale).astype(np.float32)
        starts = nuclei.offsets[:-1]
        self._boxes.append(
            np.concatenate(
                [np.minimum.reduceat(places, starts), np.maximum.reduceat(places, starts)], 1
            )
        )
        self._ids.append(nuclei.id)
        self._lengths.append(np.diff(nuclei.offsets))
        self._file.write(places.tobytes())

    def measure(self, nuclei: Nuclei) -> dict[str, np.ndarray]:
        """Return the columns of the group for nuclei that were all added before."""
        if not len(nuclei):
            return {column.name: np.zeros(0, np.float32) for column in COLUMNS}
        ids, pixels, own = self._areas
        row = np.searchsorted(ids, nuclei.id)
        return {
            "cell_area_um2": (pixels[row] * _PIXEL_UM**2).astype(np.float32),
            "nucleus_cell_ratio": (own[row] / np.maximum(pixels[row], 1)).astype(np.float32),
        }

    @cached_property
    def _areas(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ids in order, and pixels of each cell and of its nucleus."""
        self._file.flush()
        ids, boxes = np.concatenate(self._ids), np.concatenate(self._boxes)
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(self._lengths))]).astype(np.int64)
        vertices = np.memmap(self._file, np.float32, "r", shape=(int(offsets[-1]), 2))
        pixels, own = np.zeros(len(ids)), np.zeros(len(ids))
        halo = int(np.ceil(self._distance)) + 2
        first = np.floor((boxes[:, :2] - halo) / TILE).astype(int)
        last = np.floor((boxes[:, 2:] + halo) / TILE).astype(int)
        for (column, line), rows in _by_tile(first, last).items():
            # In an order that does not depend on the blocks, where outlines overlap.
            rows = rows[np.lexsort((boxes[rows, 1], boxes[rows, 0]))]
            spans = [np.arange(offsets[r], offsets[r + 1]) for r in rows]
            places = np.asarray(vertices[np.concatenate(spans)])
            starts = np.concatenate([[0], np.cumsum([len(s) for s in spans])])
            edge = TILE + 2 * halo
            corner = column * TILE - halo, line * TILE - halo
            numbers = np.arange(1, len(rows) + 1, dtype=np.uint32)
            labels = fill_outlines(places, starts, numbers, *corner, edge, edge)
            cells = expanded_labels(labels, self._distance)
            inner = slice(halo, -halo), slice(halo, -halo)
            for total, image in ((pixels, cells), (own, labels)):
                counts = np.bincount(image[inner].ravel(), minlength=len(rows) + 1)
                total[rows] += counts[1:]
        order = np.argsort(ids)
        return ids[order], pixels[order], own[order]


def _by_tile(first: np.ndarray, last: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Rows of the nuclei that reach into each tile."""
    found: dict[tuple[int, int], list[int]] = {}
    for row, ((left, top), (right, bottom)) in enumerate(
        zip(first.tolist(), last.tolist(), strict=True)
    ):
        for column in range(left, right + 1):
            for line in range(top, bottom + 1):
                found.setdefault((column, line), []).append(row)
    return {tile: np.array(rows) for tile, rows in found.items()}


def _start(context: FeatureContext) -> CellExpansion:
    return CellExpansion(context.mpp_xy, context.expansion_um)


CELLS = FeatureGroup("cells", "Cells", COLUMNS, _start, needs_all=True)
"""Areas of cells around nuclei."""
