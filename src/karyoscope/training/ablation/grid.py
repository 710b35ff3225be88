"""A grid: the rows of an ablation table, each a few changes to a recipe, as one YAML file."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import read_yaml

_SHIPPED = resources.files("karyoscope") / "recipes" / "grids"


#: A published score: the figure, or mean and standard deviation.
Published = float | tuple[float, float]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(_Strict):
    """Training budget of every row; by default the recipe's number of steps.

    The recipe's schedule (warm-up, decay, phases) is stretched or shortened with the number of
    steps.
    """

    steps: int | None = Field(default=None, gt=0)
    epochs: float | None = Field(default=None, gt=0)
    """Times that the area of the training images is drawn."""
    tiles: int | None = Field(default=None, gt=0)
    """Tiles drawn in all: by every phase with its batches, and by every device."""
    seconds: float | None = Field(default=None, gt=0)
    """Training, without reading data and scoring: of the processor on a CPU, else of the clock."""

    @model_validator(mode="after")
    def _one(self) -> Budget:
        given = [k for k, v in self.model_dump().items() if v is not None]
        if len(given) > 1:
            raise ValueError(f"a budget is in one unit, not in {' and '.join(given)}")
        return self


class Search(_Strict):
    """Parameters of the post-processing that are tuned; see ``karyoscope tune``."""

    shared: tuple[str, ...] = ()
    """Names of the parameters that are searched for all classes at once."""
    by_class: tuple[str, ...] = ()
    """Names of the parameters that are searched for each class."""


class ScoredSet(_Strict):
    """Images that a row is scored on, in place of the recipe's validation images."""

    truth: Path
    """Folder of annotated images."""
    layout: str | None = None
    """Layout of the folder; recognised where not given."""
    protocol: str = "conic"
    """See ``karyoscope evaluate --protocol``."""
    split: Path | None = None
    """Score one part of this split alone; a shipped one by its bare name."""
    part: str = "validation"
    name: str | None = None
    """What the table calls it; the folder's name where not given."""
    published: dict[str, Published] = {}
    """The published scores on the published set, by heading of the table; see ``Row``."""


class Row(_Strict):
    """One row of the table."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    """Name of the row, and of its folder."""
    corresponds_to: str = ""
    """The row of the published table that this row corresponds to, or what it has in addition."""
    recipe: str | None = None
    """Recipe of this row, if it is not that of the command."""
    set: dict[str, Any] = {}
    """Changes by key, as those of ``--set``."""
    leave_out: str | None = None
    """Train without this cohort and validate on it; ``each``: every cohort in turn."""
    trained_as: str | None = None
    """Name of the row whose trained network is used; only the post-processing differs."""
    tune: Search | None = None
    """Tune on one half of the validation images, score the other, and the reverse."""
    score: tuple[ScoredSet, ...] = ()
    """Datasets that the row is scored on, if they are not those of the grid."""
    published: dict[str, Published] = {}
    """The published scores of this row, by heading of the table: a number, or ``[mean, standard
    deviation]``."""

    @property
    def changes(self) -> list[str]:
        """The changes as ``--set`` takes them."""
        return [f"{key}={json.dumps(value)}" for key, value in self.set.items()]


class Grid(_Strict):
    """Rows of an ablation, and the training budget of each."""

    name: str
    about: str = ""
    """The comparison, and its result in the published table."""
    differences: str = ""
    """Differences of data, length or methods from those of the published table."""
    budget: Budget = Budget()
    seeds: int = Field(1, gt=0)
    """Number of trainings of each row, unless the command gives another."""
    folds: int | None = Field(default=None, ge=2)
    """Number of folds: each row is trained without each fold in turn, and scored on the images of
    that fold in place of the validation images; seeds times folds trainings of each row."""
    score: tuple[ScoredSet, ...] = ()
    """What each row is scored on; the validation images of its recipe where not given."""
    set: dict[str, Any] = {}
    """Changes of every row, which a row may override."""
    rows: list[Row] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits(self) -> Grid:
        names = [row.name for row in self.rows]
        for row in self.rows:
            if names.count(row.name) > 1:
                raise ValueError(f"two rows are called {row.name!r}")
            if row.tune is not None and (row.score or self.score):
                raise ValueError(f"row {row.name!r} is tuned and scored on validation images alone")
            if row.trained_as is None:
                continue
            if row.trained_as not in names[: names.index(row.name)]:
                raise ValueError(f"row {row.name!r} is trained as {row.trained_as!r}: no such row")
            if row.recipe or row.leave_out or any(not _is_post(key) for key in row.set):
                raise ValueError(
                    f"row {row.name!r} is trained as another and may set postprocessing alone"
                )
        return self


def _is_post(key: str) -> bool:
    return key.partition(".")[0] == "postprocessing"


def load_grid(path: str | Path) -> Grid:
    """Read a grid.

    Parameters
    ----------
    path : path
        A YAML file, or the name of a grid that comes with the package.

    Raises
    ------
    KaryoscopeError
        If the file is missing, is not YAML, or holds an unknown key or a bad value; each is named.
    """
    shipped = Path(str(_SHIPPED)) / f"{path}.yaml"
    file = shipped if shipped.is_file() else Path(path)
    if not file.is_file():
        raise KaryoscopeError(f"no grid {path}; there are {', '.join(shipped_grids())}, or a file")
    try:
        return Grid.model_validate(read_yaml(file))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "grid"
        raise KaryoscopeError(f"{file}: {place}: {first['msg']}") from error


def shipped_grids() -> list[str]:
    """Names of the grids that come with the package."""
    return sorted(path.stem for path in Path(str(_SHIPPED)).glob("*.yaml"))
