"""Predictions, or a model, against annotated images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.scale import same_scale
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Record, Sample, common_taxonomy, merge_classes
from karyoscope.evaluation.class_sets import class_convention, class_remarks
from karyoscope.evaluation.patches import SIZE, cut
from karyoscope.evaluation.predictions import Prediction, Predictions
from karyoscope.evaluation.predictions.model import ModelPredictions
from karyoscope.evaluation.result import EvaluationResult
from karyoscope.inference import Model
from karyoscope.metrics import PROTOCOLS, Evaluation, Pair, find_protocol

Watch = Callable[[Sample, Prediction], None]
Begin = Callable[[int], None]


@dataclass(frozen=True)
class ScoringOptions:
    """How a set of images is scored.

    Attributes
    ----------
    protocol : {"conic", "hovernet", "pannuke", "qu", "stardist"}
        Or that of a plugin. See :data:`karyoscope.metrics.PROTOCOLS`.
    records : sequence of str or None
        Names of the images to score; None for all.
    patches : {256, 0} or None
        Score patches of 256 x 256 pixels, cut as CoNIC's are, or whole images. None means
        what the protocol is defined on: patches for ``"conic"``, whole images for the others.
    """

    protocol: str = "conic"
    records: Sequence[str] | None = None
    patches: int | None = None

    def __post_init__(self) -> None:
        find_protocol(self.protocol)
        if self.patches not in (None, 0, SIZE):
            raise KaryoscopeError(
                f"patches must be {SIZE}, as CoNIC's, or 0 for whole images; got {self.patches}"
            )

    @property
    def side(self) -> int:
        """Side of the patches that are scored, in pixels; 0 for whole images."""
        return find_protocol(self.protocol).patches if self.patches is None else self.patches


def evaluate_predictions(
    truth: Dataset,
    predictions: Predictions,
    options: ScoringOptions | None = None,
    watch: Watch = lambda sample, prediction: None,
    begin: Begin = lambda images: None,
) -> EvaluationResult:
    """Score predictions against annotated images.

    Class sets that differ meet in :func:`karyoscope.datasets.common_taxonomy`; predictions
    without classes are scored without. An image whose prediction is missing, damaged or of
    another size is named and left out.

    Parameters
    ----------
    truth : Dataset
        Annotated images.
    predictions : Predictions
        Result of :func:`karyoscope.evaluation.open_predictions`.
    options : ScoringOptions, optional
        Protocol, images and patches.
    watch : callable
        Called with every image and its prediction, for progress and pictures; their classes are
        those that are scored.
    begin : callable
        Called once with the number of images that were chosen.

    Returns
    -------
    EvaluationResult

    Raises
    ------
    KaryoscopeError
        If no image could be scored, the class sets have nothing in common, or the protocol needs
        a pixel size that is unknown.
    """
    options = options or ScoringOptions()
    found = predictions.taxonomy
    scored = None if found is None else common_taxonomy(truth.taxonomy, found)
    result = _empty(truth, predictions, options, scored)
    mpp = result.evaluation.mpp
    table = None if found is None or scored is None else _table(found, scored)
    chosen = _chosen(truth, options.records, result)
    result.notes += class_remarks(truth.taxonomy, found, scored)
    truth = truth if scored is None else merge_classes(truth, scored)
    begin(len(chosen))
    for record in chosen:
        try:
            sample = truth.load(record)
            prediction = _checked(predictions.load(sample), sample, mpp)
        except KaryoscopeError as error:
            result.problems.append(str(error))
            continue
        prediction = _in_scored_classes(prediction, table)
        _add(result.evaluation, sample, prediction, options.side, scored is not None)
        result.images += 1
        watch(sample, prediction)
    result.notes += predictions.remarks({record.name for record in chosen})
    result.notes += _left_out(predictions, truth)
    if not len(result.evaluation):
        raise KaryoscopeError(_nothing_scored(result))
    return result


def _add(
    evaluation: Evaluation, sample: Sample, prediction: Prediction, side: int, with_classes: bool
) -> None:
    """Score one image, or its patches."""
    pairs = scored_pairs(sample, prediction, side, with_classes)
    counting: Iterable[Pair | None] = repeat(None)
    if prediction.counting is not None:
        counting = scored_pairs(sample, prediction.counting, side, with_classes)
    # The second is endless where nothing else is counted.
    for pair, counted in zip(pairs, counting, strict=False):
        evaluation.add(pair, counted)


def _left_out(predictions: Predictions, truth: Dataset) -> list[str]:
    """Name the predictions of images that the truth does not have."""
    known = {record.name for record in truth.records}
    return [
        f"prediction {name} left out: no image of that name in the truth"
        for name in predictions.names
        if name not in known
    ]


def evaluate_model(
    truth: Dataset,
    model: Model,
    options: ScoringOptions | None = None,
    watch: Watch = lambda sample, prediction: None,
) -> EvaluationResult:
    """Segment annotated images with a model and score the result.

    Parameters and errors are those of :func:`evaluate_predictions`. Where the model's card says
    which images were kept from training, a note tells if others are scored.
    """
    return evaluate_predictions(truth, ModelPredictions(model), options, watch)


def _empty(
    truth: Dataset, predictions: Predictions, options: ScoringOptions, scored: Taxonomy | None
) -> EvaluationResult:
    """A result that says what is scored, without images."""
    mpp = truth.mpp if find_protocol(options.protocol).needs_mpp else None
    return EvaluationResult(
        Evaluation(options.protocol, scored, mpp),
        f"{truth.name} {getattr(truth, 'root', '')}".strip(),
        predictions.describe(),
        options.side,
        conventions={
            "images": _patch_convention(options.side),
            "classes": class_convention(truth.taxonomy, predictions.taxonomy, scored),
        },
    )


def _chosen(truth: Dataset, names: Sequence[str] | None, result: EvaluationResult) -> list[Record]:
    """Records to score; what cannot be is named."""
    result.problems += truth.problems
    if names is None:
        return list(truth.records)
    wanted = set(names)
    by_name = {record.name: record for record in truth.records}
    result.problems += [f"no image {name} in the truth" for name in sorted(wanted - set(by_name))]
    return [record for name, record in by_name.items() if name in wanted]


def _checked(prediction: Prediction, sample: Sample, mpp: float | None) -> Prediction:
    """Return the prediction, provided that it and its truth can be scored."""
    name = sample.record.name
    if prediction.inst_map.shape != sample.inst_map.shape:
        height, width = sample.inst_map.shape
        rows, columns = prediction.inst_map.shape
        raise KaryoscopeError(
            f"{name}: the prediction has {columns} x {rows} pixels, the image {width} x {height}"
        )
    if mpp is not None and not same_scale(sample.mpp, mpp):
        raise KaryoscopeError(
            f"{name}: has {sample.mpp:g} µm/px, the set is scored at {mpp:g}; score it by itself"
        )
    return prediction


def _in_scored_classes(prediction: Prediction, table: np.ndarray | None) -> Prediction:
    """Look the classes up, where those that are scored are not the prediction's."""
    if table is None or prediction.classes is None:
        return prediction
    counting = prediction.counting
    return replace(
        prediction,
        classes=table[prediction.classes],
        counting=None if counting is None else _in_scored_classes(counting, table),
    )


def scored_pairs(
    sample: Sample, prediction: Prediction, patches: int, with_classes: bool
) -> Iterator[Pair]:
    """The pairs that are scored: the whole image, or its patches."""
    record = sample.record
    about = {"source": record.source, "cohort": record.cohort}
    maps = {
        "true": sample.inst_map,
        "pred": prediction.inst_map,
        "true_classes": sample.classes if with_classes else None,
        "pred_classes": prediction.classes if with_classes else None,
        "ignore": sample.ignore,
    }
    shape = sample.inst_map.shape
    if not patches or shape == (SIZE, SIZE) or sample.points is not None:
        yield Pair(**maps, name=record.name, points=sample.points, **about)  # type: ignore[arg-type]
        return
    cuts = list(cut(maps, *shape))
    for number, (_, parts) in enumerate(cuts):
        name = record.name if len(cuts) == 1 else f"{record.name}-{number:04d}"
        yield Pair(**parts, name=name, **about)  # type: ignore[arg-type]


def _table(found: Taxonomy, scored: Taxonomy) -> np.ndarray | None:
    return None if found == scored else found.lookup_to(scored)


def _patch_convention(patches: int) -> str:
    if not patches:
        return "scored whole"
    return (
        f"{patches} px patches cut as CoNIC's: from the top left, at the far edges overlapping;"
        " smaller images padded by reflection; means over images are means over patches"
    )


def _nothing_scored(result: EvaluationResult) -> str:
    if result.images:
        name = result.evaluation.protocol.name
        others = ", ".join(p.name for p in PROTOCOLS.values() if p.takes_points)
        return f"the truth is points, and protocol {name!r} scores outlines; use {others}"
    more = f"; {result.problems[0]}" if result.problems else ""
    return f"no image could be scored{more}"
