"""Comparisons of configurations: every row of a grid trained and scored under one budget.

What belongs here plans the runs of a grid, measures what they cost, and writes the table.
"""

from karyoscope.training.ablation.grid import (
    Budget,
    Grid,
    Row,
    ScoredSet,
    Search,
    load_grid,
    shipped_grids,
)
from karyoscope.training.ablation.plan import PlannedRow, plan_rows, problem_lines
from karyoscope.training.ablation.runs import Ablation, Job, ablate
from karyoscope.training.ablation.settings import AblationSettings
from karyoscope.training.ablation.table import (
    NarrowTable,
    differences,
    markdown,
    narrow_tables,
    table_of,
    write_table,
)
from karyoscope.training.ablation.tabled import ablate_to_table, plan_grid

__all__ = [
    "Ablation",
    "AblationSettings",
    "Budget",
    "Grid",
    "Job",
    "NarrowTable",
    "PlannedRow",
    "Row",
    "ScoredSet",
    "Search",
    "ablate",
    "ablate_to_table",
    "differences",
    "load_grid",
    "markdown",
    "narrow_tables",
    "plan_grid",
    "plan_rows",
    "problem_lines",
    "shipped_grids",
    "table_of",
    "write_table",
]
