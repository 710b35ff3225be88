"""What metrics of two ratios share: numerator and denominator of each image, added up."""

from __future__ import annotations

import numpy as np

from karyoscope.metrics.accumulate import Accumulator, Scores, Terms, mean_of, mean_terms, ratio


class RatioAccumulator(Accumulator):
    """Two ratios of each image, reported as means over images and pooled.

    A subclass counts numerators and denominators, shape (2, 2), and names its scores in
    ``set_scores``: the mean of each ratio, then each pooled ratio.
    """

    conventions = {"mean": "over images with a nucleus in either map"}  # noqa: RUF012

    def _row_shape(self) -> tuple[int, ...]:
        return (2, 2)

    def terms(self, counts: np.ndarray) -> Terms:
        """Return the counts, and the ratios of each image."""
        return {"counts": counts} | mean_terms("ratio", ratio(counts[..., 0], counts[..., 1]))

    def score(self, sums: Terms) -> Scores:
        """Compute means over images and pooled ratios."""
        mean = mean_of(sums, "ratio")
        pooled = ratio(sums["counts"][..., 0], sums["counts"][..., 1])
        values = (mean[..., 0], mean[..., 1], pooled[..., 0], pooled[..., 1])
        names = (score.name for score in self.set_scores)
        return Scores(dict(zip(names, values, strict=True)))
