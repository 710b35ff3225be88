"""Many slides in one table and on one page."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from some_nuclei import make_nuclei

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats import RunReport, open_writers
from karyoscope.formats.cohort import CLASS_COLUMNS, COLUMNS, cohort_rows, cohort_table
from karyoscope.report import summarise_cohort, write_cohort


def slide(folder, context, stem, count, run=None, formats=()):
    nuclei = make_nuclei(count, seed=count)
    nuclei = replace(nuclei, class_id=np.maximum(nuclei.class_id, 1))
    context = replace(context, slide=f"{stem}.svs")
    with open_writers(folder, stem, formats, context, overwrite=True) as writers:
        writers.write(nuclei)
        writers.report(run or RunReport())
    return nuclei


def table(folder):
    with (folder / "cohort.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


INCOMPLETE = RunReport(unread_regions=[[0, 0, 9, 9]], warnings=["a gap", "another, with a comma"])


def test_a_row_a_slide(tmp_path, context):
    measured = RunReport(tissue_mm2=0.03, analysed_mm2=0.06)
    nuclei = slide(tmp_path, replace(context, mpp_source="given"), "b", 30, measured)
    slide(tmp_path, context, "a", 50, INCOMPLETE)
    made = write_cohort(tmp_path, {"c": ("c.svs", 'c.svs: "broken",\nreally')})
    assert [p.name for p in made] == ["cohort.csv", "cohort.html"]
    first, second, third = table(tmp_path)
    assert [r["slide"] for r in (first, second, third)] == ["a.svs", "b.svs", "c.svs"]
    assert [r["status"] for r in (first, second, third)] == ["incomplete", "ok", "failed"]
    assert first["warnings"] == "a gap; another, with a comma"
    assert third["error"] == 'c.svs: "broken",\nreally'
    assert third["nuclei"] == third["count_plasma"] == ""
    assert int(second["nuclei"]) == 30
    assert (second["tissue_mm2"], second["analysed_mm2"]) == ("0.03", "0.06")
    assert (float(second["mpp"]), second["mpp_source"]) == (context.mpp, "given")
    summary = json.loads((tmp_path / "b.summary.json").read_text("utf-8"))
    for c in summary["classes"]:
        assert int(second[f"count_{c['name']}"]) == (nuclei.class_id == c["id"]).sum()
        assert float(second[f"density_{c['name']}_per_mm2"]) == c["density_per_mm2"]
        assert c["density_per_mm2"] == c["count"] / 0.03
        assert float(second[f"share_{c['name']}"]) == c["share"]
    classes = [n.replace("<class>", c) for c in context.taxonomy.names for n in CLASS_COLUMNS]
    assert list(first) == [*COLUMNS, *classes]


def test_a_summary_of_a_folder_is_its_rows_and_files(tmp_path, context):
    slide(tmp_path, context, "a", 5)
    slide(tmp_path, context, "b", 5, INCOMPLETE)
    written = write_cohort(tmp_path, {"c": ("c.svs", "no")})
    found = summarise_cohort(tmp_path)
    assert found.files == written
    assert [row["status"] for row in found.rows] == ["ok", "incomplete", "failed"]
    assert found.unfinished == 2


def test_failures_stay_until_there_is_a_result(tmp_path, context):
    slide(tmp_path, context, "a", 5)
    write_cohort(tmp_path, {"b": ("b.svs", "no"), "c": ("c.svs", "nor this")})
    slide(tmp_path, context, "b", 5)
    write_cohort(tmp_path, {"a": ("a.svs", "exists; use --overwrite to replace it")})
    assert [(r["result"], r["status"]) for r in table(tmp_path)] == [
        ("a", "ok"),
        ("b", "ok"),
        ("c", "failed"),
    ]
    assert table(tmp_path)[2]["error"] == "nor this"


def test_it_is_the_same_however_often(tmp_path, context):
    slide(tmp_path, context, "a", 5)
    write_cohort(tmp_path, {"b": ("b.svs", "no")})
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    write_cohort(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    assert set(before) == {"a.summary.json", "cohort.csv", "cohort.html"}


def test_slides_of_models_with_other_classes(tmp_path, context):
    slide(tmp_path, context, "a", 5)
    other = Taxonomy.load("consep")
    slide_of_other = replace(context, taxonomy=other, slide="b.svs")
    with open_writers(tmp_path, "b", [], slide_of_other):
        pass
    write_cohort(tmp_path)
    first, second = table(tmp_path)
    assert (first["count_plasma"], second["count_plasma"]) != ("", "")
    assert second["count_plasma"] == ""
    assert second["nuclei"] == "0"


def test_the_page_links_the_reports_that_are_there(tmp_path, context):
    slide(tmp_path, context, "a b", 20, formats=["report"])
    slide(tmp_path, context, "c", 20, INCOMPLETE)
    write_cohort(tmp_path, {"d": ("<d>.svs", "<no>")})
    page = (tmp_path / "cohort.html").read_text(encoding="utf-8")
    assert '<a href="a%20b.report.html">a b.svs</a>' in page
    assert page.count("<a href") == 1
    assert "3 slides, 40 nuclei" in page
    assert "1 failed" in page
    assert "&lt;no&gt;" in page
    assert "another, with a comma" in page


def test_a_summary_that_is_damaged_is_one_row(tmp_path, context):
    slide(tmp_path, context, "a", 5)
    (tmp_path / "b.summary.json").write_text("{")
    write_cohort(tmp_path)
    assert [r["status"] for r in table(tmp_path)] == ["ok", "failed"]
    assert "is not valid JSON" in table(tmp_path)[1]["error"]


def test_nothing_to_tell_of_and_a_table_of_someone_else(tmp_path, context):
    with pytest.raises(KaryoscopeError, match="no folder"):
        write_cohort(tmp_path / "absent")
    with pytest.raises(KaryoscopeError, match="no results"):
        write_cohort(tmp_path)
    slide(tmp_path, context, "a", 5)
    (tmp_path / "cohort.csv").write_text("patient,age\nx,50\n")
    with pytest.raises(KaryoscopeError, match="move it away"):
        write_cohort(tmp_path)
    assert (tmp_path / "cohort.csv").read_text("utf-8") == "patient,age\nx,50\n"


def test_printed_table(tmp_path, context):
    slide(tmp_path, context, "a", 50)
    rows = cohort_rows(tmp_path, {"b": ("b.svs", "broken")})
    out = io.StringIO()
    Console(file=out, width=160).print(cohort_table(rows))
    for word in ("a.svs", "b.svs", "broken", "per mm²", "2 slides"):
        assert word in out.getvalue()


def test_a_copy_of_a_slide_under_another_name_is_named(tmp_path, context):
    for stem, count in (("one", 40), ("copy", 40), ("other", 41), ("tiny", 3), ("tiny too", 3)):
        slide(tmp_path, context, stem, count, RunReport(tissue_mm2=0.03, analysed_mm2=0.06))
    with pytest.warns(UserWarning, match="^one: its results are those of copy, ") as found:
        write_cohort(tmp_path)
    assert len(found) == 1
    rows = {row["result"]: row["warnings"] for row in table(tmp_path)}
    line = "its results are those of copy, to the last digit; one may be a copy of the other"
    assert rows == {"copy": "", "one": line, "other": "", "tiny": "", "tiny too": ""}
    assert line in (tmp_path / "cohort.html").read_text(encoding="utf-8")


def test_the_same_slide_at_another_scale_is_no_copy(tmp_path, context):
    for stem, mpp in (("a", 0.25), ("b", 0.5)):
        slide(tmp_path, replace(context, mpp=mpp), stem, 40)
    assert [row["warnings"] for row in cohort_rows(tmp_path)] == ["", ""]
