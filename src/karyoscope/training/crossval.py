"""Cross-validation: a training for each fold, each image scored by the one without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Record
from karyoscope.datasets.split import cohorts_of, read_split
from karyoscope.evaluation import ScoringOptions, evaluate, read_evaluation
from karyoscope.inference import load_model
from karyoscope.metrics import Evaluation
from karyoscope.metrics.stored import plain
from karyoscope.training.bundle import export_bundle
from karyoscope.training.data.folds import (
    divided_images,
    division,
    holding_out,
    without_cohort,
)
from karyoscope.training.data.images import open_source
from karyoscope.training.data.own import SPLIT
from karyoscope.training.recipe.schema import Recipe
from karyoscope.training.run import train
from karyoscope.training.source import RecipeSource, recipe_of
from karyoscope.training.trainer import check_device

_EVALUATION, _SUMMARY = "evaluation.json", "crossval.json"


@dataclass(frozen=True)
class CrossValidation:
    """Result of a cross-validation.

    Attributes
    ----------
    folds : dict of str to Evaluation
        Scores of the images of each fold (or cohort) by the model that was trained on the others.
    pooled : Evaluation
        All images together, each scored once.
    problems : list of str
        Folds that failed, and why.
    """

    folds: dict[str, Evaluation]
    pooled: Evaluation
    problems: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Plain data by score: mean and standard deviation over folds, and the pooled interval."""
        whole, inside = self.pooled.scores, self.pooled.intervals()
        by_fold = {fold: found.scores for fold, found in self.folds.items()}
        scores = {}
        for score in self.pooled.protocol.main(whole):
            values = np.array([found[score.name] for found in by_fold.values()], np.float64)
            known = values[np.isfinite(values)]
            scores[score.name] = {
                "folds": dict(zip(by_fold, values.tolist(), strict=True)),
                "mean": known.mean() if len(known) else np.nan,
                "deviation": known.std(ddof=1) if len(known) > 1 else np.nan,
                "pooled": whole[score.name],
                "low": inside[score.name][0],
                "high": inside[score.name][1],
            }
        about = {"protocol": self.pooled.protocol.name, "images": len(self.pooled)}
        return plain(about | {"scores": scores, "problems": self.problems})

    def table(self) -> str:
        """A table in Markdown: a row a score."""
        found = self.to_dict()["scores"]
        titles = {s.name: s.title for s in self.pooled.protocol.main(self.pooled.scores)}
        head = ["score", *self.folds, "mean", "deviation", "pooled [95 %]"]
        lines = [head, ["---"] * len(head)]
        for name, row in found.items():
            middle = [*row["folds"].values(), row["mean"], row["deviation"]]
            interval = f"{_digits(row['pooled'])} [{_digits(row['low'])}, {_digits(row['high'])}]"
            lines.append([titles[name], *map(_digits, middle), interval])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def cross_validate(
    source: RecipeSource,
    out: Path,
    *,
    folds: int | None = 5,
    changes: list[str] | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str = "auto",
    threads: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> CrossValidation:
    """Train once for each fold on all others, and score each image by the model without it.

    The last weights of each run are scored, untuned: nothing is chosen by the images of a fold,
    although the log of its run shows them as validation. Folds that are done in ``out`` stay, and
    a run that was stopped continues. A fold that fails is named and the others are processed.

    Parameters
    ----------
    source : RecipeSource
        Recipe, or folder of images and parent; what is parted is the first dataset.
    out : path
        Folder for ``<fold>/`` with run, bundle and ``evaluation.json``; and, of all images
        together, ``evaluation.json``, ``crossval.json`` and ``crossval.md``.
    folds : int or None
        Parts of sources, balanced over classes and cohorts; None leaves each cohort out in turn.
        Images that a recipe neither trains on nor validates on, and those that a folder of one's
        own calls a test set, are neither trained on nor scored.
    changes : list of str, optional
        Changes of the recipe.
    steps : int, optional
        Steps of each training, with the schedule fitted to them; keys that ``changes`` set stay.
    seed : int
        Seed of the folds; the seed of the trainings is ``training.seed``.
    device : {"auto", "cpu", "cuda"}
        Device that trains the network; ``auto`` takes a GPU if there is one.
    threads : int
        Threads of the CPU for scoring; 0 for all.
    say : callable
        Called with a line for each fold.

    Returns
    -------
    CrossValidation

    Raises
    ------
    KaryoscopeError
        If the recipe or the data cannot be used, there are too few sources or no cohorts, or every
        fold fails.
    """
    check_device(device)
    out.mkdir(parents=True, exist_ok=True)
    held_out = _held_out(source, out, folds, changes, seed, say)
    found: dict[str, Evaluation] = {}
    problems = []
    for name, held in held_out.items():
        here = out / name
        try:
            if not (here / _EVALUATION).is_file():
                _fold(source, here, [*(changes or []), *held.changes], held, steps, device, threads)
            found[name] = read_evaluation(here)
            say(f"{name}: " + repr(found[name]))
        except KaryoscopeError as error:
            problems.append(f"{name}: {error}")
            say(problems[-1])
    if not found:
        raise KaryoscopeError(f"every fold failed; {problems[0]}")
    result = CrossValidation(found, _pooled(found), problems)
    write_text(out / _SUMMARY, json.dumps(result.to_dict(), indent=1) + "\n")
    write_text(out / "crossval.md", result.table())
    return result


@dataclass(frozen=True)
class _Held:
    """A fold or cohort that is left out: changes of the recipe for it, and images to score."""

    changes: list[str]
    images: list[str]


def _held_out(
    source: RecipeSource,
    out: Path,
    folds: int | None,
    changes: list[str] | None,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, _Held]:
    """What is left out in turn, by name; folds stay as they are in a second run."""
    made = out / "as_given"
    recipe = recipe_of(source, made, changes)
    if recipe.training.keep_parent == "choose":
        raise KaryoscopeError(
            "training.keep_parent: choose would choose on the images that a fold is scored on; give"
            " a number"
        )
    dataset = open_source(recipe.data[0], recipe.mpp, Taxonomy.load(recipe.taxonomy))
    if recipe.validation.split.resolve() == (made / SPLIT).resolve():
        # A split that was made of a folder divides it otherwise: what the folder itself calls a
        # test set is left.
        divided = [r for r in dataset.records if not r.split.lower().startswith("test")]
    else:
        divided = divided_images(recipe, folds or 1)
    if folds is None:
        return _cohorts(recipe, dataset, divided, out, say)
    path = out / f"folds-{folds}-{seed}.json"
    for other in sorted({*out.glob("folds-*.json")} - {path}):
        raise KaryoscopeError(f"{out} holds other folds, {other.name}: use another --out")
    parts = division(path, recipe, dataset, divided, folds, seed).parts
    return {
        f"fold-{k}": _Held(holding_out(recipe, path, k), parts[str(k)]) for k in range(1, folds + 1)
    }


def _cohorts(
    recipe: Recipe,
    dataset: Dataset,
    divided: list[Record],
    out: Path,
    say: Callable[[str], None],
) -> dict[str, _Held]:
    """Each cohort with its images to score."""
    found = {}
    for cohort in cohorts_of(dataset.records):
        if all(record.cohort != cohort for record in divided):
            say(f"{cohort}: left out, it has test images alone")
            continue
        path = out / f"{cohort}.json"
        changes = without_cohort(recipe, dataset, divided, cohort, path)
        found[cohort] = _Held(changes, read_split(path).parts["validation"])
    return found


def _fold(
    source: RecipeSource,
    here: Path,
    changes: list[str],
    held: _Held,
    steps: int | None,
    device: str,
    threads: int,
) -> None:
    """Train without a fold, export, and score it."""
    run = here / "run"
    resume = (run / "last.ckpt").is_file()
    recipe = recipe_of(source, here / "as_given", changes, steps=steps)
    train(recipe, run, resume, device)
    bundle = export_bundle(run, here / "bundle")
    dataset = open_source(recipe.data[0], recipe.mpp, Taxonomy.load(recipe.taxonomy))
    options = ScoringOptions(records=held.images, patches=0)
    model = load_model(bundle, "auto" if device == "auto" else "cpu", threads)
    result = evaluate(dataset, model=model, options=options)
    write_text(here / _EVALUATION, json.dumps(result.to_dict(), indent=1) + "\n")


def _pooled(found: dict[str, Evaluation]) -> Evaluation:
    first = next(iter(found.values()))
    pooled = Evaluation(first.protocol.name, first.taxonomy, first.mpp)
    for evaluation in found.values():
        pooled.merge(evaluation)
    return pooled


def _digits(value: float | None) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.3f}"
