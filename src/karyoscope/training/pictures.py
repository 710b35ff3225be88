"""Validation tiles with true and predicted nuclei as one picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.report.tiles import Tile, draw_rows

#: Edge of a tile in pixels of the image; it is drawn at twice that.
EDGE = 192


class SampleTiles:
    """The middle of the first images of a validation, the same at every validation.

    Parameters
    ----------
    taxonomy : Taxonomy
        Whose colours are drawn.
    count : int
        Tiles to keep.
    """

    def __init__(self, taxonomy: Taxonomy, count: int) -> None:
        self._taxonomy = taxonomy
        self._count = count
        self._tiles: list[Tile] = []

    def add(self, sample: Sample, pred: np.ndarray, pred_classes: np.ndarray) -> None:
        """Keep the middle of an image, if there are too few tiles yet.

        Parameters
        ----------
        sample : Sample
        pred : ndarray of int32, shape (h, w)
            Predicted label map.
        pred_classes : ndarray of int, shape (largest id + 1,)
            Class of each predicted nucleus.
        """
        if len(self._tiles) >= self._count:
            return
        rows, columns = (
            slice(max(0, (size - EDGE) // 2), max(0, (size - EDGE) // 2) + min(size, EDGE))
            for size in sample.inst_map.shape
        )
        window = (rows, columns)
        self._tiles.append(
            Tile(
                sample.record.name,
                0.0,
                sample.image[window].copy(),
                sample.inst_map[window].copy(),
                pred[window].copy(),
                sample.classes,
                pred_classes.astype(np.uint8),
            )
        )

    def write(self, path: Path) -> None:
        """Write a PNG: a row a tile, the image, its true nuclei, the predicted ones."""
        if not self._tiles:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = draw_rows(self._tiles, self._taxonomy)
        path.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
