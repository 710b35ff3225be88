"""A sweep: trainings whose recipe keys Optuna chooses, by the validation score."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text
from karyoscope.core.optional import load
from karyoscope.core.yaml import read_yaml
from karyoscope.training.curves import read_log
from karyoscope.training.run import train
from karyoscope.training.source import RecipeSource, recipe_of
from karyoscope.training.trainer import check_device

if TYPE_CHECKING:
    import optuna

#: Scores that a sweep can raise, in the order in which one is taken where none is named.
SCORES = ("mpq_plus", "pq", "f_c", "f_d")
_STUDY, _TABLE, _NAME = "study.log", "sweep.md", "karyoscope"


class Range(BaseModel):
    """Numbers from ``low`` to ``high``, both included; whole ones where all three are whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: int | float
    high: int | float
    log: bool = False
    """Whether equal ratios are drawn equally often, as for learning rates."""
    step: int | float | None = None
    """Distance of the values that are drawn; any value where it is not given."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.low < self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("low must be positive where log is set")
        if self.log and self.step is not None:
            raise ValueError("give log or step, not both")
        if self.step is not None and self.step <= 0:
            raise ValueError("step must be positive")
        return self

    def draw(self, trial: optuna.Trial, key: str) -> int | float:
        """Let Optuna choose a value."""
        if all(isinstance(n, int) for n in (self.low, self.high, self.step or 1)):
            step = int(self.step or 1)
            return trial.suggest_int(key, int(self.low), int(self.high), log=self.log, step=step)
        return trial.suggest_float(key, self.low, self.high, log=self.log, step=self.step)


Choices = Annotated[list[Any], Field(min_length=1)]


class _Space(BaseModel):
    model_config = ConfigDict(frozen=True)

    keys: dict[str, Range | Choices] = Field(min_length=1)


@dataclass(frozen=True)
class Trial:
    """One training of a sweep.

    Attributes
    ----------
    number : int
        Its run is ``trial-<number>`` in the folder of the sweep.
    values : dict
        Value of each key.
    score : float
        The last validation score; NaN where the training failed.
    problem : str
        Why it failed; empty where it did not.
    """

    number: int
    values: dict[str, Any]
    score: float
    problem: str = ""


@dataclass(frozen=True)
class Sweep:
    """Trainings by their scores, the best first; ``score`` names what was raised."""

    score: str
    trials: list[Trial]

    def table(self) -> str:
        """A table in Markdown: a row a training."""
        keys = list(self.trials[0].values)
        lines = [["trial", *keys, self.score], ["---"] * (len(keys) + 2)]
        for trial in self.trials:
            values = [f"{v:.4g}" if isinstance(v, float) else json.dumps(v)
                      for v in trial.values.values()]  # fmt: skip
            score = trial.problem or f"{trial.score:.4f}"
            lines.append([str(trial.number), *values, score])
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def read_space(path: str | Path) -> dict[str, Range | list[Any]]:
    """Read which keys of a recipe are varied, and how far.

    Parameters
    ----------
    path : path
        YAML: by key, such as ``optimiser.lr``, a list of values or ``{low: ..., high: ...}`` with
        ``log: true`` or ``step`` beside them.

    Raises
    ------
    KaryoscopeError
        If the file is missing or says something else.
    """
    try:
        return dict(_Space.model_validate({"keys": read_yaml(Path(path))}).keys)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(p) for p in fault["loc"][1:2]) or "the file"
        what = fault["msg"].removeprefix("Value error, ")
        raise KaryoscopeError(
            f"{path}: {place}: {what}; each key has a list of values, or low and high"
        ) from error


def sweep(
    source: RecipeSource,
    space: str | Path | Mapping[str, Range | list[Any]],
    out: Path,
    *,
    trials: int = 20,
    score: str | None = None,
    changes: list[str] | None = None,
    steps: int | None = None,
    seed: int = 0,
    device: str = "auto",
    say: Callable[[str], None] = lambda line: None,
) -> Sweep:
    """Train a recipe again and again with keys that Optuna chooses, and rank the trainings.

    Values are proposed by the tree-structured Parzen estimator (Bergstra et al., NIPS 2011) of
    Optuna (Akiba et al., KDD 2019). The score is that of the last validation, so the validation
    part is no measure of the chosen model any more: keep a test part. A call with the same ``out``
    adds the trainings that are missing. One that fails is reported and the others continue.

    Parameters
    ----------
    source : RecipeSource
        Recipe, or folder of images and parent.
    space : path or mapping
        See :func:`read_space`.
    out : path
        Folder for ``trial-<number>/``, the study of Optuna and ``sweep.md``.
    trials : int
        Trainings in all.
    score : {"mpq_plus", "pq", "f_c", "f_d"}, optional
        What is raised; mPQ+ by default, and F_c where the validation images are points.
    changes : list of str, optional
        Changes of the recipe that every training has.
    steps : int, optional
        Steps of each training, with the schedule fitted to them; keys of ``space`` and ``changes``
        stay.
    seed : int
        Seed of the proposals; that of the trainings is ``training.seed``.
    device : {"auto", "cpu", "cuda"}
        Device that trains the network; ``auto`` takes a GPU if there is one.
    say : callable
        Called with a line for each training.

    Returns
    -------
    Sweep

    Raises
    ------
    KaryoscopeError
        If Optuna is missing, a key or its first value does not fit the recipe, or every training
        fails.
    """
    optuna = load("sweep", "optuna", "a sweep")
    check_device(device)
    if score is not None and score not in SCORES:
        raise KaryoscopeError(f"no score {score!r}; there are {', '.join(SCORES)}")
    keys = space if isinstance(space, Mapping) else read_space(space)
    first = {k: v.low if isinstance(v, Range) else v[0] for k, v in keys.items()}
    recipe_of(source, out / "as_given", [*(changes or []), *_changes(first)], steps=steps)
    out.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(logging.WARNING)
    backend = optuna.storages.journal.JournalFileBackend(str(out / _STUDY))
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        sampler=optuna.samplers.TPESampler(seed=seed),
        study_name=_NAME,
        direction="maximize",
        load_if_exists=True,
    )
    done = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL)
    while len(study.get_trials(deepcopy=False, states=done)) < trials:
        trial = study.ask()
        values = {
            key: v.draw(trial, key)
            if isinstance(v, Range)
            else json.loads(trial.suggest_categorical(key, [json.dumps(one) for one in v]))
            for key, v in keys.items()
        }
        run = out / f"trial-{trial.number:03d}"
        trial.set_user_attr("values", values)
        try:
            shutil.rmtree(run, ignore_errors=True)
            own = [*(changes or []), *_changes(values)]
            train(recipe_of(source, run, own, steps=steps), run, device=device)
            name, found = _score_of(run, score)
            trial.set_user_attr("score", name)
            study.tell(trial, found)
            say(f"{run.name}: {name} {found:.4f}, {values}")
        except KaryoscopeError as error:
            trial.set_user_attr("problem", str(error))
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            say(f"{run.name}: {error}")
    result = _ranked(study.get_trials(deepcopy=False, states=done))
    write_text(out / _TABLE, result.table())
    return result


def _changes(values: Mapping[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def _score_of(run: Path, score: str | None) -> tuple[str, float]:
    """Name and value of the last validation score of a run."""
    rows = list(read_log(run).values())
    for name in SCORES if score is None else (score,):
        found = [row[f"val/{name}"] for row in rows if f"val/{name}" in row]
        if found:
            if not math.isfinite(found[-1]):
                raise KaryoscopeError(f"{run.name}: {name} is not a number")
            return name, found[-1]
    raise KaryoscopeError(f"{run.name} was not validated by {score or ' or '.join(SCORES)}")


def _ranked(trials: list[Any]) -> Sweep:
    found = [
        Trial(
            trial.number,
            trial.user_attrs["values"],
            math.nan if trial.value is None else float(trial.value),
            trial.user_attrs.get("problem", ""),
        )
        for trial in trials
    ]
    good = sorted((t for t in found if not t.problem), key=lambda t: -t.score)
    bad = [t for t in found if t.problem]
    if not good:
        raise KaryoscopeError(f"every training failed; {bad[0].problem}")
    name = next(t.user_attrs["score"] for t in trials if "score" in t.user_attrs)
    return Sweep(name, [*good, *bad])
