"""Tune the post-processing of a model on annotated images, and write the tuned bundle."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.lock import locked_output
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, merge_classes, open_dataset
from karyoscope.datasets.resample import resampled
from karyoscope.evaluation.card_scores import earlier, entry_of, rewritten
from karyoscope.evaluation.from_paths import names_of_part
from karyoscope.evaluation.objectives import SCORES, Predicted
from karyoscope.evaluation.search import CrossCheck, cross_check, tune
from karyoscope.evaluation.search_space import Params, search_space
from karyoscope.inference import Model, load_model
from karyoscope.inference.bundle import PostprocessingSpec
from karyoscope.pipeline import Stain, input_stains, load_stain, model_input_image
from karyoscope.pipeline.maps import image_maps


@dataclass(frozen=True)
class TunedScore:
    """Result of the search for one score.

    Attributes
    ----------
    before, after : float
        The score with the bundle's parameters, and with those that were found.
    params : dict
        The parameters that were found.
    card : dict
        What the card of the bundle says of both: by ``before`` and ``after`` the images, and each
        score with its 95 % interval; see :func:`karyoscope.evaluation.card_scores.entry_of`.
    """

    before: float
    after: float
    params: Params
    card: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class TuningResult:
    """Result of tuning a model.

    Attributes
    ----------
    tuned : dict of str to TunedScore
        The parameters found, by the score that was maximised.
    cross_checks : dict of str to CrossCheck
        Cross-checks by score, where they were requested.
    bundle : Path or None
        The tuned bundle, where one was written.
    notes : list of str
        What else the reader should know, a line each.
    """

    tuned: dict[str, TunedScore] = field(default_factory=dict)
    cross_checks: dict[str, CrossCheck] = field(default_factory=dict)
    bundle: Path | None = None
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data: ``cross_check`` by score, and each score by name."""
        checks = {name: check.to_dict() for name, check in self.cross_checks.items()}
        found = {name: vars(score) for name, score in self.tuned.items()}
        return ({"cross_check": checks} if checks else {}) | found


class TuningListener:
    """Is called while a model is tuned; these methods do nothing, a subclass overrides some."""

    def predicted(self, done: int, images: int) -> None:
        """Receive the number of images that the network has been run on."""

    def tried(self, params: Params, score: float) -> None:
        """Receive the score of a set of parameters."""

    def checked(self, name: str, found: CrossCheck) -> None:
        """Receive the result of tuning on one half of the images and scoring the other."""


def tune_model(
    model: str | Path | Model,
    truth: str | Path | Dataset,
    out: str | Path | None = None,
    *,
    scores: Sequence[str] = ("mean",),
    split: str | Path | None = None,
    part: str = "validation",
    layout: str | None = None,
    classes: str | Taxonomy | None = None,
    mpp: float | None = None,
    by_class: Sequence[str] = ("class_weights",),
    only: Sequence[str] = (),
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
    layout, classes, mpp : str, str or Taxonomy, and float, optional
        Layout, classes and scale of a folder that does not state them; see
        :func:`karyoscope.datasets.open_dataset`.
    by_class : sequence of str
        Parameters that may differ between classes; keys of
        :func:`karyoscope.evaluation.search_space.class_parameters`.
    only : sequence of str
        Names of the parameters to search, such as ``["class_weights"]``; the others keep the
        values of the bundle. Empty for all.
    rounds : int
        Passes over all parameters, at most.
    check : bool
        Also tune on half of the images and score the other half, both ways.
    tta, device, threads : int, str and int
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
        too few images, or another run writes ``out``.
    """
    listener = listener or TuningListener()
    for name in scores:
        if name not in SCORES:
            raise KaryoscopeError(f"no score {name!r}; there are {', '.join(SCORES)}")
    runner = model if isinstance(model, Model) else load_model(model, device, threads, tta)
    specs = _specs(runner)
    for spec in specs.values():
        search_space(spec.name, runner.taxonomy, by_class, only)
    if stain is not None and not isinstance(stain, Stain):
        stain = load_stain(stain, runner.mpp, threads)
    input_stains(runner, stain)
    if not isinstance(truth, Dataset):
        taxonomy = Taxonomy.load(classes) if isinstance(classes, str) else classes
        truth = open_dataset(truth, layout, taxonomy=taxonomy, mpp=mpp)
    result, changes = TuningResult(), dict[str, Any]()
    merged = _merged(truth, runner, scores)
    if merged is truth and truth.taxonomy.names != runner.taxonomy.names:
        by_class = ()
        result.notes.append(
            f"the classes {truth.taxonomy.name!r} are none of {runner.taxonomy.name!r}: outlines"
            " alone are tuned by, and nothing by class"
        )
    chosen = _chosen(merged, runner, split, part)
    with nullcontext() if out is None else locked_output(Path(out)):
        images = _predict(runner, chosen, stain, listener)
        card_scores = earlier(runner.bundle.card.scores)
        about = _named(truth) + (f", {part}" if split is not None else "")
        for name in scores:
            spec = specs[SCORES[name].key]
            search = _Search(name, spec, runner, images, by_class, only, rounds, listener)
            if check:
                result.cross_checks[name] = search.check()
            if out is not None:
                result.tuned[name] = found = search.tune()
                changes[SCORES[name].key] = {"name": spec.name, "params": found.params}
                for when, entry in found.card.items():
                    title = f"{about}, {when} tuning"
                    card_scores[title] = card_scores.get(title, {}) | entry
        if out is not None:
            result.bundle = Path(out)
            changes["scores"] = card_scores
            if "postprocessing" in changes:
                # Measured with other parameters, and therefore no longer true of the bundle.
                changes["steadiness"] = None
            rewritten(runner.bundle, result.bundle, changes)
    return result


class _Search:
    """The search for the parameters that raise one score of a model on some images."""

    def __init__(
        self,
        name: str,
        spec: PostprocessingSpec,
        model: Model,
        images: Sequence[Predicted],
        by_class: Sequence[str],
        only: Sequence[str],
        rounds: int,
        listener: TuningListener,
    ) -> None:
        self._name, self._spec, self._images, self._model = name, spec, images, model
        self._rounds, self._listener = rounds, listener
        self._score = partial(_score, name, spec.name, model)
        self._space = search_space(spec.name, model.taxonomy, by_class, only)

    def check(self) -> CrossCheck:
        """Tune on half of the images and score the other half, both ways."""
        found = cross_check(
            *(self._images, self._score, self._spec.params, self._space, self._rounds),
            self._listener.tried,
        )
        self._listener.checked(self._name, found)
        return found

    def tune(self) -> TunedScore:
        """Tune on all images."""
        score = partial(self._score, self._images)
        before = score(self._spec.params)
        best = tune(score, self._spec.params, self._space, self._rounds, self._listener.tried)
        return TunedScore(before, best.score, best.params, self._for_card(best.params))

    def _for_card(self, found: Params) -> dict[str, dict[str, Any]]:
        """Scores with intervals by the parameters of the bundle, and by those that were found."""
        accumulate, taxonomy = SCORES[self._name].accumulate, self._model.taxonomy
        said = {"before": (self._spec.params, {}), "after": (found, {"tuned_on": "these images"})}
        return {
            when: entry_of(accumulate(self._images, self._spec.name, params, taxonomy), **more)
            for when, (params, more) in said.items()
        }


def _named(truth: Dataset) -> str:
    """The folder of the images, or the layout of those that have none."""
    root = getattr(truth, "root", None)
    return truth.name if root is None else Path(root).resolve().name


def _score(
    name: str, method: str, model: Model, images: Sequence[Predicted], params: Params
) -> float:
    """Return the score of a set of parameters on some images."""
    return SCORES[name].score(images, method, params, model.taxonomy)


def _specs(model: Model) -> dict[str, PostprocessingSpec]:
    """Sets of parameters by the key of the bundle; counting starts from segmentation's."""
    card = model.bundle.card
    return {"postprocessing": card.postprocessing, "counting": card.counting or card.postprocessing}


def _merged(truth: Dataset, model: Model, scores: Sequence[str]) -> Dataset:
    """Return the images in the model's classes; as they are where only outlines are requested."""
    try:
        return merge_classes(truth, model.taxonomy)
    except KaryoscopeError as error:
        if set(scores) != {"pq"}:
            raise KaryoscopeError(f"{error}; or tune outlines alone with --score pq") from error
        return truth


def _chosen(truth: Dataset, model: Model, split: str | Path | None, part: str) -> Dataset:
    """Return the images to tune on, at the model's scale."""
    dataset = resampled(truth, model.mpp)
    if split is not None:
        wanted = set(names_of_part(split, part))
        dataset.records = [record for record in dataset.records if record.name in wanted]
    if not dataset.records:
        raise KaryoscopeError(f"{truth.name} has none of the images of {split or 'a dataset'}")
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
