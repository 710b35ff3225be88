"""Sample tiles of a validation as one picture: what is there, and what was found."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.evaluation.drawing import draw_tile
from karyoscope.evaluation.pictures import Tile

#: Edge of a tile in pixels of the image; it is drawn at twice that.
EDGE = 192
_GAP = 8
_WHITE = 255


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
        rows = [self._row(tile) for tile in self._tiles]
        width = max(row.shape[1] for row in rows)
        padded = [
            np.pad(
                row,
                ((0, _GAP), (0, width - row.shape[1]), (0, 0)),
                constant_values=_WHITE,
            )
            for row in rows
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", np.concatenate(padded)[..., ::-1])[1].tobytes())

    def _row(self, tile: Tile) -> np.ndarray:
        true, pred = draw_tile(tile, self._taxonomy)
        plain = cv2.resize(tile.image, true.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        gap = np.full((true.shape[0], _GAP, 3), _WHITE, np.uint8)
        return np.concatenate([plain, gap, true, gap, pred], axis=1)
