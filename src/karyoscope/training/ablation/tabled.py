"""A grid named by path: one call trains its rows, scores them and writes the table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.ablation.grid import Budget, load_grid
from karyoscope.training.ablation.runs import Ablation, AblationSettings, ablate
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
        If the grid cannot be read, or every row failed.
    """
    rows = load_grid(grid)
    if budget is not None:
        rows = rows.model_copy(update={"budget": budget})
    settings.out.mkdir(parents=True, exist_ok=True)
    ablation = ablate(rows, settings, seeds, resume, watch)
    if not ablation.results:
        raise KaryoscopeError(f"every row failed; {ablation.problems[0]}")
    write_table(ablation, settings.out)
    return ablation
