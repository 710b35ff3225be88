"""Pages about slides, cohorts and evaluations: templates, figures and drawings, from plain values.

Pages stand above the formats: nothing in :mod:`karyoscope.formats` imports them. Names are imported
on first use, so that a run that writes no page pays for none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Cohort": "karyoscope.report.cohort",
    "EvaluationFigures": "karyoscope.report.evaluation",
    "Tile": "karyoscope.report.tiles",
    "cohort_page": "karyoscope.report.cohort",
    "comparison_table": "karyoscope.report.tables",
    "draw_tile": "karyoscope.report.tiles",
    "evaluation_page": "karyoscope.report.evaluation",
    "evaluation_table": "karyoscope.report.tables",
    "slide_page": "karyoscope.report.slide",
    "summarise_cohort": "karyoscope.report.cohort",
    "write_cohort": "karyoscope.report.cohort",
}

__all__ = [
    "Cohort",
    "EvaluationFigures",
    "Tile",
    "cohort_page",
    "comparison_table",
    "draw_tile",
    "evaluation_page",
    "evaluation_table",
    "slide_page",
    "summarise_cohort",
    "write_cohort",
]

if TYPE_CHECKING:
    from karyoscope.report.cohort import Cohort, cohort_page, summarise_cohort, write_cohort
    from karyoscope.report.evaluation import EvaluationFigures, evaluation_page
    from karyoscope.report.slide import slide_page
    from karyoscope.report.tables import comparison_table, evaluation_table
    from karyoscope.report.tiles import Tile, draw_tile


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'karyoscope.report' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
