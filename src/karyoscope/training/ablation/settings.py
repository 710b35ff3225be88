"""What all rows of an ablation share, and the recipe that a row has by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.ablation.grid import Grid, Row


@dataclass(frozen=True)
class AblationSettings:
    """Settings that all rows of an ablation share.

    Attributes
    ----------
    recipe : str
        Recipe of the rows that name none: a name or a file.
    out : path
        A folder for each job, with its run, its bundle and its result.
    changes : sequence of str
        ``key=value`` for every row, after those of the grid; a budget does not fit these keys to
        its number of steps.
    device : {"auto", "cpu", "cuda"}
    threads : int
        Threads of the CPU that score; 0 for all.
    """

    recipe: str
    out: Path
    changes: Sequence[str] = ()
    device: str = "auto"
    threads: int = 0


def refuse_undone(grid: Grid, settings: AblationSettings) -> None:
    """Raise where a row would not be what its name says: changes of the command come last.

    Raises
    ------
    KaryoscopeError
        If a change of the command sets a key of a row, one above it or one below it.
    """
    for change in settings.changes:
        key = change.partition("=")[0].split(".")
        for row in grid.rows:
            for name in row.set:
                own = name.split(".")
                shared = min(len(own), len(key))
                if own[:shared] == key[:shared]:
                    raise KaryoscopeError(
                        f"--set {change} would undo what row {row.name!r} of the grid changes"
                        f" ({name}): leave it out, or change the grid"
                    )


def recipe_of(row: Row, grid: Grid, settings: AblationSettings) -> tuple[str, list[str]]:
    """Name of a row's recipe and its changes: the grid's, the row's, those of the command."""
    common = Row(name="common", set={k: v for k, v in grid.set.items() if k not in row.set})
    return row.recipe or settings.recipe, [*common.changes, *row.changes, *settings.changes]
