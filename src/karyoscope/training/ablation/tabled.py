"""A grid named by path: one call trains its rows, scores them and writes the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.ablation.grid import Budget, Grid, load_grid
from karyoscope.training.ablation.left_out import refuse_both_left_out
from karyoscope.training.ablation.plan import PlannedRow, plan_rows
from karyoscope.training.ablation.runs import Ablation, ablate
from karyoscope.training.ablation.settings import AblationSettings, refuse_undone
from karyoscope.training.ablation.table import write_table


def ablate_to_table(
    grid: str | Path,
    settings: AblationSettings,
    budget: Budget | None = None,
    seeds: int | None = None,
    resume: bool = False,
    watch: Callable[[str], None] = lambda line: None,
    folds: int | None = None,
) -> Ablation:
    """Train and score every row of a grid, and write ``table.md`` and ``table.csv``.

    This is what ``karyoscope ablate`` does.

    Parameters
    ----------
    grid : str or path
        YAML file, or the name of a shipped grid.
    settings : AblationSettings
        ``settings.out`` is made where it is missing; the table goes there.
    budget : Budget, optional
        Budget of each training, in place of the grid's.
    seeds, resume, watch : int, bool, callable
        See :func:`~karyoscope.training.ablation.ablate`.
    folds : int, optional
        Number of folds, each of which is left out once, in place of the grid's.

    Raises
    ------
    KaryoscopeError
        If the grid cannot be read, no row can be trained, or every row failed.
    """
    rows = _with(grid, budget, folds)
    settings.out.mkdir(parents=True, exist_ok=True)
    ablation = ablate(rows, settings, seeds, resume, watch)
    if not ablation.results:
        raise KaryoscopeError(f"every row failed; {ablation.problems[0]}")
    write_table(ablation, settings.out)
    return ablation


def plan_grid(
    grid: str | Path,
    settings: AblationSettings,
    budget: Budget | None = None,
    seeds: int | None = None,
    folds: int | None = None,
) -> list[PlannedRow]:
    """What :func:`ablate_to_table` would train, and what it lacks; nothing is written.

    This is what ``karyoscope ablate --dry-run`` does. Parameters are those of
    :func:`ablate_to_table`.

    Raises
    ------
    KaryoscopeError
        If the grid cannot be read, a change of the command would undo one of a row, or a grid with
        folds leaves cohorts out too.
    """
    rows = _with(grid, budget, folds)
    refuse_undone(rows, settings)
    refuse_both_left_out(rows)
    return plan_rows(rows, settings, seeds)


def _with(grid: str | Path, budget: Budget | None, folds: int | None) -> Grid:
    given = {"budget": budget, "folds": folds}
    return load_grid(grid).model_copy(update={k: v for k, v in given.items() if v is not None})
