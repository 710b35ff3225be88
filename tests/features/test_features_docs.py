"""The documentation defines the columns that there are, and no others."""

import re
from pathlib import Path

import pytest

from karyoscope.features import GROUPS
from karyoscope.features.immune import COLUMNS as IMMUNE
from karyoscope.features.immune import MARGIN_COLUMNS
from karyoscope.formats.cohort import CLASS_COLUMNS, COLUMNS, QUALITY_COLUMNS
from karyoscope.formats.summaries.regions import COLUMNS as REGION_COLUMNS
from karyoscope.formats.summaries.spatial import COLUMNS as PAIRS

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "features.md").read_text(encoding="utf-8")
COHORTS = (DOCS / "cohorts.md").read_text(encoding="utf-8")


def table_after(heading: str, text: str = TEXT) -> list[tuple[str, ...]]:
    section = text.partition(heading)[2].partition("\n#")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*?) ?\| (.*) \|$", section, re.MULTILINE)
    return [tuple(cell.strip() for cell in row) for row in rows]


@pytest.mark.parametrize("group", GROUPS)
def test_features(group):
    expected = [(f.name, f.unit, f.definition) for f in GROUPS[group].columns]
    assert table_after(f"\n### `{group}`") == expected


def test_cohort():
    expected = [(n, u, d) for n, (u, d) in (COLUMNS | CLASS_COLUMNS | QUALITY_COLUMNS).items()]
    assert table_after("\n## Cohorts") == expected


def test_spatial_scores():
    assert table_after("\n### Pairs of classes") == [(n, u, d) for n, (u, d) in PAIRS.items()]
    expected = [(n, u, d) for n, (u, d) in (IMMUNE | MARGIN_COLUMNS).items()]
    assert table_after("\n### Immune cells") == expected


def test_regions():
    expected = [(n, u, d) for n, (u, d) in REGION_COLUMNS.items()]
    assert table_after("\n## Annotations", COHORTS)[: len(expected)] == expected
