"""What an evaluation shows of the images: counts, and the best, typical and worst tiles."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

import numpy as np

from karyoscope.datasets import Sample
from karyoscope.datasets.labels import majority_class, one_class
from karyoscope.evaluation.patches import SIZE, patch_corners
from karyoscope.evaluation.predictions import Prediction
from karyoscope.metrics import contingency, count_nuclei, panoptic_quality
from karyoscope.report.evaluation import EvaluationFigures
from karyoscope.report.tiles import Tile

#: True nuclei that a tile must have to be shown: on a few nuclei PQ is a matter of chance.
LEAST_NUCLEI = 5
_TYPICAL_KEPT = 40


@dataclass
class Pictures:
    """Collects the pictures of the page, image by image, in bounded memory.

    Parameters
    ----------
    tiles : int
        Tiles of each kind to keep, each of another image.

    Attributes
    ----------
    counts : list of (str, ndarray, ndarray)
        Name of each image and its nuclei of each class, true and predicted; one number each
        where there are no classes.
    """

    tiles: int = 4
    counts: list[tuple[str, np.ndarray, np.ndarray]] = field(default_factory=list)
    _best: list[tuple[float, int, Tile]] = field(default_factory=list)
    _worst: list[tuple[float, int, Tile]] = field(default_factory=list)
    _median: list[Tile] = field(default_factory=list)
    _scores: list[float] = field(default_factory=list)

    def add(self, sample: Sample, prediction: Prediction) -> None:
        """Add one image; a truth of points has no outlines to show."""
        if sample.points is not None:
            return
        number = len(self.counts)
        with_classes = prediction.classes is not None
        ids = sample.taxonomy.ids if with_classes else (1,)
        true_classes = sample.classes if with_classes else one_class(sample.inst_map)
        pred_classes = _by_id(prediction)
        true = count_nuclei(sample.inst_map, true_classes, ids)
        pred = count_nuclei(prediction.inst_map, pred_classes, ids)
        self.counts.append((sample.record.name, true, pred))
        corners = _scored_corners(sample, prediction)
        if not corners:
            return
        self._scores += [pq for pq, _ in corners]
        worst, typical, best = (
            _tile(sample, prediction, true_classes, pred_classes, *corners[k])
            for k in (0, len(corners) // 2, -1)
        )
        insort(self._worst, (worst.pq, number, worst))
        insort(self._best, (-best.pq, number, best))
        del self._worst[self.tiles :], self._best[self.tiles :]
        # Of many images every so many-th is a candidate, which needs no random numbers.
        if number % (1 + number // _TYPICAL_KEPT) == 0:
            self._median = [*self._median, typical][-_TYPICAL_KEPT:]

    def figures(self) -> EvaluationFigures:
        """Return what was collected, for :func:`karyoscope.report.evaluation_page`."""
        return EvaluationFigures(self.counts, self.chosen(), self.median, LEAST_NUCLEI)

    @property
    def median(self) -> float:
        """Median PQ of all tiles; NaN where there are none."""
        return float(np.median(self._scores)) if self._scores else float("nan")

    def chosen(self) -> dict[str, list[Tile]]:
        """Tiles to show: ``best``, ``typical`` (nearest to the median) and ``worst``."""
        nearest = sorted(self._median, key=lambda tile: abs(tile.pq - self.median))
        kinds = {
            "worst": [tile for *_, tile in self._worst],
            "best": [tile for *_, tile in self._best],
            "typical": nearest,
        }
        shown: set[str] = set()
        for kind, tiles in kinds.items():
            kinds[kind] = [tile for tile in tiles if tile.title not in shown][: self.tiles]
            shown |= {tile.title for tile in kinds[kind]}
        return {kind: kinds[kind] for kind in ("worst", "typical", "best")}


def _scored_corners(
    sample: Sample, prediction: Prediction
) -> list[tuple[float, tuple[slice, slice]]]:
    """PQ of every tile of an image that has nuclei enough, and where it lies."""
    height, width = sample.inst_map.shape
    scored = []
    for row, column in patch_corners(height, width):
        window = (
            slice(max(0, row), min(height, row + SIZE)),
            slice(max(0, column), min(width, column + SIZE)),
        )
        ignore = None if sample.ignore is None else sample.ignore[window]
        table = contingency(sample.inst_map[window], prediction.inst_map[window], ignore)
        if len(table.true_ids) >= LEAST_NUCLEI:
            pq = panoptic_quality(table).pq
            scored.append((pq, (row, column), window))
    scored.sort(key=lambda entry: entry[:2])
    return [(pq, window) for pq, _, window in scored]


def _tile(
    sample: Sample,
    prediction: Prediction,
    true_classes: np.ndarray,
    pred_classes: np.ndarray,
    pq: float,
    window: tuple[slice, slice],
) -> Tile:
    rows, columns = window
    return Tile(
        f"{sample.record.name}, x {columns.start} y {rows.start}",
        pq,
        sample.image[window].copy(),
        sample.inst_map[window].copy(),
        prediction.inst_map[window].copy(),
        true_classes,
        pred_classes,
    )


def _by_id(prediction: Prediction) -> np.ndarray:
    if prediction.classes is None:
        return one_class(prediction.inst_map)
    if prediction.classes.ndim == 1:
        return prediction.classes
    return majority_class(prediction.inst_map, prediction.classes)
