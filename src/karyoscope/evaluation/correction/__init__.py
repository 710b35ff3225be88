"""Correction of predictions: tiles to correct first, and corrected regions as training data."""

from karyoscope.evaluation.correction.collecting import Collected, collect
from karyoscope.evaluation.correction.rank import (
    RankedTile,
    Ranking,
    rank_slides,
    rank_tiles,
    write_ranking,
)

__all__ = [
    "Collected",
    "RankedTile",
    "Ranking",
    "collect",
    "rank_slides",
    "rank_tiles",
    "write_ranking",
]
