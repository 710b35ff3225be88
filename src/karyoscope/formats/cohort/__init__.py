"""Many slides in one set of tables: rows of slides, regions, pairs of classes and nuclei."""

from karyoscope.formats.cohort.duplicates import copies
from karyoscope.formats.cohort.nuclei import link_nuclei
from karyoscope.formats.cohort.regions import cohort_regions, write_cohort_regions
from karyoscope.formats.cohort.samples import SAMPLES, add_samples
from karyoscope.formats.cohort.spatial import write_cohort_spatial
from karyoscope.formats.cohort.table import (
    CLASS_COLUMNS,
    COLUMNS,
    NAME,
    QUALITY_COLUMNS,
    class_colors,
    cohort_rows,
    cohort_table,
    cohort_with_sheet,
    write_cohort_csv,
)

__all__ = [
    "CLASS_COLUMNS",
    "COLUMNS",
    "NAME",
    "QUALITY_COLUMNS",
    "SAMPLES",
    "add_samples",
    "class_colors",
    "cohort_regions",
    "cohort_rows",
    "cohort_table",
    "cohort_with_sheet",
    "copies",
    "link_nuclei",
    "write_cohort_csv",
    "write_cohort_regions",
    "write_cohort_spatial",
]
