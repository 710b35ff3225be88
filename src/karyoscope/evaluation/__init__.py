"""Predictions and models against annotated images: scores, figures, tuned parameters."""

from karyoscope.evaluation.compare import Comparison, compare, read_evaluation
from karyoscope.evaluation.counting import composition
from karyoscope.evaluation.outcome import GROUPINGS, Outcome, by_group
from karyoscope.evaluation.predictions import (
    FORMATS,
    Prediction,
    Predictions,
    open_predictions,
)
from karyoscope.evaluation.predictions.model import ModelPredictions
from karyoscope.evaluation.score import Rules, evaluate_model, evaluate_predictions

__all__ = [
    "FORMATS",
    "GROUPINGS",
    "Comparison",
    "ModelPredictions",
    "Outcome",
    "Prediction",
    "Predictions",
    "Rules",
    "by_group",
    "compare",
    "composition",
    "evaluate_model",
    "evaluate_predictions",
    "open_predictions",
    "read_evaluation",
]
