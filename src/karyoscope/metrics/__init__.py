"""Scores of the field, each exact and with its conventions named; none needs torch."""

from karyoscope.metrics.composition import CompositionAccumulator, count_nuclei
from karyoscope.metrics.contingency import Contingency, contingency
from karyoscope.metrics.panoptic import PanopticAccumulator, panoptic_counts, panoptic_quality

__all__ = [
    "CompositionAccumulator",
    "Contingency",
    "PanopticAccumulator",
    "contingency",
    "count_nuclei",
    "panoptic_counts",
    "panoptic_quality",
]
