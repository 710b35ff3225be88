"""Predictions and models against annotated images: scores, figures, tuned parameters."""

from karyoscope.evaluation.comparison import Comparison, compare, compare_files, read_evaluation
from karyoscope.evaluation.counting import composition
from karyoscope.evaluation.from_paths import evaluate, names_listed, names_of_part
from karyoscope.evaluation.predictions import (
    FORMATS,
    Prediction,
    PredictionFiles,
    Predictions,
    open_predictions,
)
from karyoscope.evaluation.predictions.model import ModelPredictions
from karyoscope.evaluation.result import GROUPINGS, EvaluationResult, by_group
from karyoscope.evaluation.score import ScoringOptions, evaluate_model, evaluate_predictions
from karyoscope.evaluation.tuning import TunedScore, TuningListener, TuningResult, tune_model

__all__ = [
    "FORMATS",
    "GROUPINGS",
    "Comparison",
    "EvaluationResult",
    "ModelPredictions",
    "Prediction",
    "PredictionFiles",
    "Predictions",
    "ScoringOptions",
    "TunedScore",
    "TuningListener",
    "TuningResult",
    "by_group",
    "compare",
    "compare_files",
    "composition",
    "evaluate",
    "evaluate_model",
    "evaluate_predictions",
    "names_listed",
    "names_of_part",
    "open_predictions",
    "read_evaluation",
    "tune_model",
]
