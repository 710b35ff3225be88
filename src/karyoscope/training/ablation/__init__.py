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
from karyoscope.training.ablation.runs import Ablation, AblationSettings, Job, ablate
from karyoscope.training.ablation.table import markdown, narrow_table, table_of, write_table
from karyoscope.training.ablation.tabled import ablate_to_table

__all__ = [
    "Ablation",
    "AblationSettings",
    "Budget",
    "Grid",
    "Job",
    "Row",
    "ScoredSet",
    "Search",
    "ablate",
    "ablate_to_table",
    "load_grid",
    "markdown",
    "narrow_table",
    "shipped_grids",
    "table_of",
    "write_table",
]
