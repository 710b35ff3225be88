"""The documentation defines the columns that there are, and no others."""

import re
from pathlib import Path

import pytest

from karyoscope.export.cohort import CLASS_COLUMNS, COLUMNS
from karyoscope.features import GROUPS

TEXT = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")


def table_after(heading: str) -> list[tuple[str, ...]]:
    section = TEXT.partition(heading)[2].partition("\n#")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*?) ?\| (.*) \|$", section, re.MULTILINE)
    return [tuple(cell.strip() for cell in row) for row in rows]


@pytest.mark.parametrize("group", GROUPS)
def test_features(group):
    expected = [(f.name, f.unit, f.definition) for f in GROUPS[group].columns]
    assert table_after(f"\n### `{group}`") == expected


def test_cohort():
    expected = [(n, u, d) for n, (u, d) in (COLUMNS | CLASS_COLUMNS).items()]
    assert table_after("\n## Many slides") == expected
