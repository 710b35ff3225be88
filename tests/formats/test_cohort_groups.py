"""What the comparison of groups says, and shows, of the rows of a cohort."""

import re

import pytest

from karyoscope.report.cohort import cohort_page
from karyoscope.report.groups import group_report


def row(name, group, patient="", **values):
    return {
        "slide": f"{name}.svs",
        "result": name,
        "status": "ok",
        "group": group,
        "patient": patient,
        "nuclei": 100,
        "tissue_mm2": 2.0,
        "analysed_mm2": 3.0,
        "density_per_mm2": 50.0,
        "mean_area_um2": 30.0,
        "mpp": 0.5,
        "mpp_source": "file",
        "error": "",
        "warnings": "",
    } | values


@pytest.mark.parametrize(
    "spelling",
    ["tumour", "TUMOUR", "Tumour ", "Tumour\u200b", "\uff34umour", "\u00a0Tumour"],
)
def test_groups_that_differ_in_spelling_alone_are_named(spelling):
    rows = [row("a", "Tumour"), row("b", spelling), row("c", "normal")]
    report = group_report(rows, [])
    (line,) = report.warnings
    assert line.startswith("The groups ")
    assert "differ in spelling alone and count as 2" in line
    assert line in report.remarks
    # What cannot be seen is written out.
    assert line.isprintable()
    assert len(re.findall(r"'[^']*'", line)) == 2
    assert line in cohort_page("c", rows, {}, {}, groups=report).replace("&#39;", "'")


def test_patients_that_differ_in_spelling_alone_are_named():
    rows = [row("a", "x", "P1"), row("b", "x", "p1"), row("c", "y", "P2")]
    (line,) = group_report(rows, []).warnings
    assert line.startswith("The patients 'P1', 'p1' differ")


@pytest.mark.parametrize("names", [("A", "B"), ("T1", "T2"), ("a b", "ab"), ("grade 1", "grade 1")])
def test_other_names_are_no_doubt(names):
    rows = [row(str(n), name, f"P{n}") for n, name in enumerate(names)]
    assert group_report(rows, []).warnings == []


SCORES = {
    "epithelium_mm2": 0.5,
    "stroma_mm2": 1.5,
    "immune_epithelium_per_mm2": 12.0,
    "immune_edge_per_mm2": 345.0,
    "immune_beyond_per_mm2": 678.0,
    "stromal_til_percent": 4.25,
}


def test_spatial_scores_are_columns_of_the_page():
    rows = [row("a", "", **SCORES), row("b", "")]
    page = cohort_page("c", rows, {}, {})
    table = page[page.index("<table") : page.index("</table>")]
    heads = len(re.findall("<th[ >]", table[: table.index("</thead>")]))
    for part in table.split("<tr>")[2:]:
        assert len(re.findall("<t[hd][ >]", part)) == heads
    for shown in ("12", "345", "678", "4.25"):
        assert f"<td>{shown}</td>" in table
    without = cohort_page("c", [row("b", "")], {}, {})
    assert "TIL" in table
    assert "TIL" not in without


def test_groups_are_compared_by_their_spatial_scores():
    """Law: two slides of a patient count as one slide with the tissue of both."""
    rows = [
        row("a", "x", "P1", **SCORES),
        row("b", "x", "P1", **SCORES | {"epithelium_mm2": 1.5, "immune_epithelium_per_mm2": 20.0}),
        row("c", "y", "P2", **SCORES | {"immune_epithelium_per_mm2": None}),
        row("d", "y", "P3", **SCORES | {"stromal_til_percent": 8.0}),
    ]
    of = {one.measure: one.groups for one in group_report(rows, []).comparisons}
    assert of["immune_epithelium_per_mm2"] == {"x": (18.0,), "y": (12.0,)}
    assert of["stromal_til_percent"] == {"x": (4.25,), "y": (4.25, 8.0)}
    assert of["immune_edge_per_mm2"]["y"] == (345.0, 345.0)
    assert "epithelium_mm2" not in of
    plain = group_report([row("a", "x", "P1"), row("b", "y", "P2")], [])
    assert not any("immune" in one.measure for one in plain.comparisons)
