"""Tune the post-processing of a model on annotated images, and write the tuned bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Dataset, merge_classes, open_dataset
from karyoscope.datasets.resample import resampled
from karyoscope.evaluation.from_paths import names_of_part
from karyoscope.evaluation.objectives import SCORES, Predicted
from karyoscope.evaluation.search import CrossCheck, cross_check, tune
from karyoscope.evaluation.search_space import Params, search_space
from karyoscope.inference import Model, load_model
from karyoscope.inference.bundle import PostprocessingSpec
from karyoscope.inference.rewrite import rewrite_bundle
from karyoscope.pipeline import Stain, input_stains, load_stain, model_input_image
from karyoscope.pipeline.maps import image_maps


@dataclass(frozen=True)
class TunedScore:
    """What the search for one score found.

    Attributes
    ----------
    before, after : float
        The score with the bundle's parameters, and with those that were found.
    params : dict
        The parameters that were found.
    """

    before: float
    after: float
    params: Params


@dataclass
class TuningResult:
    """What came of tuning a model.

    Attributes
    ----------
    tuned : dict of str to TunedScore
        By score.
    cross_checks : dict of str to CrossCheck
        By score, where they were asked for.
    bundle : Path or None
        The tuned bundle, where one was written.
    """

    tuned: dict[str, TunedScore] = field(default_factory=dict)
    cross_checks: dict[str, CrossCheck] = field(default_factory=dict)
    bundle: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data: ``cross_check`` by score, and each score by name."""
        checks = {name: check.to_dict() for name, check in self.cross_checks.items()}
        found = {name: vars(score) for name, score in self.tuned.items()}
        return ({"cross_check": checks} if checks else {}) | found


class TuningListener:
    """Is called while a model is tuned; these methods do nothing, a subclass overrides some."""

    def predicted(self, done: int, images: int) -> None:
        """Hear how many images the network has been run on."""

    def tried(self, params: Params, score: float) -> None:
        """Hear the score of a set of parameters."""

    def checked(self, name: str, found: CrossCheck) -> None:
        """Hear what tuning on half of the images does to the other half."""


def tune_model(
    model: str | Path | Model,
    truth: str | Path | Dataset,
    out: str | Path | None = None,
    *,
    scores: Sequence[str] = ("mean",),
    split: str | Path | None = None,
    part: str = "validation",
    by_class: Sequence[str] = ("class_weights",),
    rounds: int = 2,
    check: bool = False,
    tta: int = 1,
    stain: str | Path | Stain | None = None,
    device: str = "auto",
    threads: int = 0,
    listener: TuningListener | None = None,
) -> TuningResult:
    """Search the post-processing parameters of a model on annotated images.

    The network runs once on each image; its maps are kept, and only the post-processing is
    repeated. Never tune on the images that results are reported on.

    Parameters
    ----------
    model : str, path or Model
        Bundle to tune; ``A,B`` is the mean of two.
    truth : path or Dataset
        Folder of annotated images.
    out : path, optional
        Folder of the tuned bundle, which is replaced as a whole.
    scores : sequence of str
        Keys of :data:`karyoscope.evaluation.objectives.SCORES`: what is raised.
    split, part : path and str, optional
        Tune on one part of a split only.
    by_class : sequence of str
        Parameters that may differ between classes; keys of
        :func:`karyoscope.evaluation.search_space.class_parameters`.
    rounds : int
        Passes over all parameters, at most.
    check : bool
        Also tune on half of the images and score the other half, both ways.
    tta, device, threads
        How the model is run; see :func:`karyoscope.load_model`.
    stain : str, path or Stain, optional
        Changes the colours of the images before the model reads them.
    listener : TuningListener, optional
        Is called while the search runs.

    Returns
    -------
    TuningResult

    Raises
    ------
    KaryoscopeError
        If a score or parameter is unknown, the images or the model cannot be used, or there are
        too few images.
    """
    listener = listener or TuningListener()
    for name in scores:
        if name not in SCORES:
            raise KaryoscopeError(f"no score {name!r}; there are {', '.join(SCORES)}")
    runner = model if isinstance(model, Model) else load_model(model, device, threads, tta)
    specs = _specs(runner)
    for spec in specs.values():
        search_space(spec.name, runner.taxonomy, by_class)
    if stain is not None and not isinstance(stain, Stain):
        stain = load_stain(stain, runner.mpp, threads)
    input_stains(runner, stain)
    images = _predict(runner, _chosen(truth, runner, split, part), stain, listener)
    result, changes = TuningResult(), {}
    for name in scores:
        objective = SCORES[name]
        spec = specs[objective.key]
        score = partial(_score, name, spec.name, runner)
        space = search_space(spec.name, runner.taxonomy, by_class)
        if check:
            found = cross_check(images, score, spec.params, space, rounds, listener.tried)
            result.cross_checks[name] = found
            listener.checked(name, found)
        if out is not None:
            before = score(images, spec.params)
            best = tune(partial(score, images), spec.params, space, rounds, listener.tried)
            result.tuned[name] = TunedScore(before, best.score, best.params)
            changes[objective.key] = {"name": spec.name, "params": best.params}
    if out is not None:
        result.bundle = Path(out)
        rewrite_bundle(runner.bundle, result.bundle, changes)
    return result


def _score(
    name: str, method: str, model: Model, images: Sequence[Predicted], params: Params
) -> float:
    """Return the score of a set of parameters on some images."""
    return SCORES[name].score(images, method, params, model.taxonomy)


def _specs(model: Model) -> dict[str, PostprocessingSpec]:
    """Sets of parameters by the key of the bundle; counting starts from segmentation's."""
    card = model.bundle.card
    return {"postprocessing": card.postprocessing, "counting": card.counting or card.postprocessing}


def _chosen(
    truth: str | Path | Dataset, model: Model, split: str | Path | None, part: str
) -> Dataset:
    """Return the images to tune on, in the model's classes and at its scale."""
    given = truth if isinstance(truth, Dataset) else open_dataset(truth)
    dataset = resampled(merge_classes(given, model.taxonomy), model.mpp)
    if split is not None:
        wanted = set(names_of_part(split, part))
        dataset.records = [record for record in dataset.records if record.name in wanted]
    if not dataset.records:
        raise KaryoscopeError(f"{truth} has none of the images of {split or 'a dataset'}")
    return dataset


def _predict(
    model: Model, dataset: Dataset, stain: Stain | None, listener: TuningListener
) -> list[Predicted]:
    """Run the network on the images."""
    images: list[Predicted] = []
    card = model.bundle.card
    for record in dataset.records:
        listener.predicted(len(images), len(dataset.records))
        sample = dataset.load(record)
        rgb = model_input_image(sample.image, model, stain)
        maps = image_maps(model.predict, rgb, card.maps, model.context)
        images.append(Predicted(sample, maps))
    listener.predicted(len(images), len(images))
    return images
