"""Scores of a bundle whose post-processing is tuned on the images that are not scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from karyoscope.datasets import Dataset, merge_classes
from karyoscope.evaluation import ScoringOptions, evaluate_model
from karyoscope.evaluation.objectives import SCORES, Predicted
from karyoscope.evaluation.search import halves, tune
from karyoscope.evaluation.search_space import Params, search_space
from karyoscope.inference import Model, find_bundle, load_model
from karyoscope.inference.rewrite import rewrite_bundle
from karyoscope.metrics import Evaluation
from karyoscope.pipeline import model_input_image
from karyoscope.pipeline.maps import image_maps
from karyoscope.training.ablation.grid import Search

#: What is raised: bern tunes for the score of the challenge's first task.
OBJECTIVE = "mpq_plus"


def cross_tuned(
    bundle: Path, search: Search, truth: Dataset, names: Sequence[str], device: str, threads: int
) -> tuple[Evaluation, list[Params]]:
    """Tune on each half of the images and score the other half with what was found.

    The paper tunes on the images it reports; here no image is scored with parameters that it
    helped to choose.

    Parameters
    ----------
    bundle : path
        The tuned ones are written beside it.
    search : Search
        Parameters that are searched.
    truth : Dataset
    names : sequence of str
        Images; sources stay in one half.
    device : {"auto", "cpu", "cuda"}
    threads : int

    Returns
    -------
    Evaluation
        Scores over all images.
    list of dict
        The parameters that each half chose.
    """
    model = load_model(str(bundle), device, threads)
    spec = model.bundle.card.postprocessing
    images = _predicted(model, truth, set(names))
    space = [
        axis
        for axis in search_space(spec.name, model.taxonomy, search.by_class)
        if axis.class_name is not None or axis.name in search.shared
    ]
    parts, chosen = [], []
    first, second = halves(images)
    for number, (here, there) in enumerate(((first, second), (second, first)), 1):

        def score(params: Params, here: list[Predicted] = here) -> float:
            return SCORES[OBJECTIVE].score(here, spec.name, params, model.taxonomy)

        params = tune(score, spec.params, space).params
        tuned = bundle.with_name(f"{bundle.name}-{number}")
        changes = {"postprocessing": {"name": spec.name, "params": params}}
        rewrite_bundle(find_bundle(str(bundle)), tuned, changes)
        rules = ScoringOptions("conic", [image.sample.record.name for image in there])
        outcome = evaluate_model(truth, load_model(str(tuned), device, threads), rules)
        parts.append(outcome.evaluation)
        chosen.append(params)
    return parts[0].merge(parts[1]), chosen


def _predicted(model: Model, truth: Dataset, names: set[str]) -> list[Predicted]:
    dataset = merge_classes(truth, model.taxonomy)
    samples = [dataset.load(record) for record in dataset.records if record.name in names]
    maps = model.bundle.card.maps
    return [
        Predicted(
            sample,
            image_maps(model.predict, model_input_image(sample.image, model), maps, model.context),
        )
        for sample in samples
    ]
