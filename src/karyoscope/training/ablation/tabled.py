"""A grid named by path: one call trains its rows, scores them and writes the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.ablation.grid import Budget, Grid, load_grid
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

    Raises
    ------
    KaryoscopeError
        If the grid cannot be read, no row can be trained, or every row failed.
    """
    rows = _with_budget(grid, budget)
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
) -> list[PlannedRow]:
    """What :func:`ablate_to_table` would train, and what it lacks; nothing is written.

    This is what ``karyoscope ablate --dry-run`` does. Parameters are those of
    :func:`ablate_to_table`.

    Raises
    ------
    KaryoscopeError
        If the grid cannot be read, or a change of the command would undo one of a row.
    """
    rows = _with_budget(grid, budget)
    refuse_undone(rows, settings)
    return plan_rows(rows, settings, seeds)


def _with_budget(grid: str | Path, budget: Budget | None) -> Grid:
    rows = load_grid(grid)
    return rows if budget is None else rows.model_copy(update={"budget": budget})
