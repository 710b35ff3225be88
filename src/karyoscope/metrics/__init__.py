"""Scores of the field, each exact and with its conventions named; none needs torch."""

from karyoscope.metrics.composition import CompositionAccumulator, count_nuclei
from karyoscope.metrics.confusion import ConfusionAccumulator
from karyoscope.metrics.contingency_table import Contingency, contingency
from karyoscope.metrics.detection import DetectionAccumulator
from karyoscope.metrics.dice_scores import DiceAccumulator, dice, ensemble_dice
from karyoscope.metrics.evaluation import Evaluation, score_pairs
from karyoscope.metrics.frechet import GaussianFit, fit_gaussian, frechet_distance
from karyoscope.metrics.jaccard import JaccardAccumulator, aji, aji_plus
from karyoscope.metrics.matching import (
    Matching,
    MatchingAccumulator,
    average_precision,
    f1_score,
    match,
)
from karyoscope.metrics.objects import ObjectAccumulator, ObjectScores, object_scores
from karyoscope.metrics.overlap import OverlapAccumulator, overlap_counts
from karyoscope.metrics.pair import Pair
from karyoscope.metrics.pairing import pair_points
from karyoscope.metrics.panoptic import (
    PanopticAccumulator,
    PanopticQuality,
    panoptic_counts,
    panoptic_quality,
    panoptic_ratios,
)
from karyoscope.metrics.protocol import Reported, ScoringProtocol, report_classes, report_set
from karyoscope.metrics.protocols import PROTOCOLS, find_protocol
from karyoscope.metrics.resampling import bootstrap, bootstrap_difference
from karyoscope.metrics.scores import Score, count_score
from karyoscope.metrics.stored import from_json, to_json

__all__ = [
    "PROTOCOLS",
    "CompositionAccumulator",
    "ConfusionAccumulator",
    "Contingency",
    "DetectionAccumulator",
    "DiceAccumulator",
    "Evaluation",
    "GaussianFit",
    "JaccardAccumulator",
    "Matching",
    "MatchingAccumulator",
    "ObjectAccumulator",
    "ObjectScores",
    "OverlapAccumulator",
    "Pair",
    "PanopticAccumulator",
    "PanopticQuality",
    "Reported",
    "Score",
    "ScoringProtocol",
    "aji",
    "aji_plus",
    "average_precision",
    "bootstrap",
    "bootstrap_difference",
    "contingency",
    "count_nuclei",
    "count_score",
    "dice",
    "ensemble_dice",
    "f1_score",
    "find_protocol",
    "fit_gaussian",
    "frechet_distance",
    "from_json",
    "match",
    "object_scores",
    "overlap_counts",
    "pair_points",
    "panoptic_counts",
    "panoptic_quality",
    "panoptic_ratios",
    "report_classes",
    "report_set",
    "score_pairs",
    "to_json",
]
