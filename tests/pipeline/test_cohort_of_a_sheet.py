"""Cohorts: sample sheets, folders of annotations, groups, one table of all nuclei."""

import csv
import json

import numpy as np
import pyarrow.dataset
import pytest
from drawn import annotation, square, write
from PIL import Image

from karyoscope.formats.cohort import cohort_rows
from karyoscope.pipeline import BatchListener, InvalidOptions, SegmentOptions, segment_slides
from karyoscope.report import write_cohort


class Lines(BatchListener):
    def __init__(self):
        self.problems, self.warnings = [], []

    def problem(self, line):
        self.problems.append(line)

    def warning(self, path, line):
        self.warnings.append(line)


@pytest.fixture(scope="module")
def slides(tmp_path_factory, tissue):
    folder = tmp_path_factory.mktemp("slides")
    for k, name in enumerate("abcd"):
        Image.fromarray(tissue[100 * k : 100 * k + 300, 300:700]).save(folder / f"{name}.png")
    return folder


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run(given, out, model, **options):
    lines = Lines()
    chosen = SegmentOptions(options.pop("formats", ("parquet",)), **options)
    return segment_slides(given, out, model, chosen, listener=lines), lines


def test_a_sheet_is_run_and_comes_back(slides, threshold_model, tmp_path):
    """Each slide with its own scale and annotations; bad rows are lines, the others go on."""
    write(slides / "a.geojson", annotation(square(0, 0, 200, 300), "left", "Tumor"))
    text = (
        "path,mpp,annotations,group,patient,status,=x\n"
        "a.png,0.5,a.geojson,one,P1,fine,1\n"
        "b.png,0.25,,two,P2,,\n"
        "lost.png,0.5,,two,P3,,\n"
        "c.png,0.5,lost.geojson,two,P4,,\n"
        "d.png,much,,two,P5,,\n"
    )
    sheet = slides / "samples.csv"
    sheet.write_text(text)
    result, lines = run(sheet, tmp_path, threshold_model)
    assert [slide.path.name for slide in result.slides] == ["a.png", "b.png"]
    assert result.failed == 3
    assert (
        lines.problems
        == result.problems
        == [
            f"{sheet}, row 6: mpp is µm per pixel, not 'much'",
            f"{sheet}, row 4: {slides / 'lost.png'} does not exist",
            f"{sheet}, row 5: annotations {slides / 'lost.geojson'} is no file",
        ]
    )
    first, second, *others = rows_of(tmp_path / "cohort.csv")
    assert [(r["slide"], r["status"], r["patient"]) for r in others] == [
        (f"{name}.png", "failed", patient)
        for name, patient in (("c", "P4"), ("d", "P5"), ("lost", "P3"))
    ]
    assert "does not exist" in others[2]["error"]
    assert list(first)[:7] == [
        *("slide", "result", "status", "group", "patient", "sheet_status", "=x")
    ]
    assert (first["group"], first["sheet_status"], first["status"]) == ("one", "fine", "ok")
    assert (first["mpp"], second["mpp"]) == ("0.5", "0.25")
    assert second["sheet_status"] == ""
    regions = rows_of(tmp_path / "cohort.regions.csv")
    assert [r["kind"] for r in regions] == ["annotation", "class", "outside", "all"]
    assert {(r["slide"], r["group"], r["sheet_status"]) for r in regions} == {
        ("a.png", "one", "fine")
    }
    single = rows_of(tmp_path / "a.regions.csv")
    assert [r["nuclei"] for r in regions] == [r["nuclei"] for r in single]


def test_one_slide_in_two_rows_is_said(slides, threshold_model, tmp_path):
    for name, path in (("one", "a.png"), ("two", f"../{slides.name}/a.png")):
        (slides / f"{name}.csv").write_text(f"path,mpp\n{path},0.5\nb.png,0.5\n")
    result, lines = run([slides / "one.csv", slides / "two.csv"], tmp_path, threshold_model)
    assert [s.path.name for s in result.slides] == ["a.png", "b.png"]
    assert result.failed == 2
    assert all("is in two rows of sample sheets" in line for line in lines.problems)
    assert [r["status"] for r in rows_of(tmp_path / "cohort.csv")] == ["ok", "ok"]


def test_the_table_is_made_anew_from_the_folder_alone(slides, threshold_model, tmp_path):
    sheet = slides / "again.csv"
    sheet.write_text("path,mpp,group\na.png,0.5,x\nb.png,0.5,y\n")
    run(sheet, tmp_path, threshold_model)
    before = {p.name: p.read_bytes() for p in tmp_path.glob("cohort.*") if p.is_file()}
    for name in before:
        if name != "cohort.samples.json":
            (tmp_path / name).unlink()
    write_cohort(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.glob("cohort.*") if p.is_file()} == before
    # Another word for a group is no reason to segment again.
    sheet.write_text("path,mpp,group\na.png,0.5,z\n")
    result, _ = run(sheet, tmp_path, threshold_model)
    assert [slide.status for slide in result.slides] == ["unchanged"]
    assert [row["group"] for row in cohort_rows(tmp_path)] == ["z", "y"]


def test_annotations_of_a_folder_are_matched_by_name(slides, threshold_model, tmp_path):
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    write(drawn / "a.geojson", annotation(square(0, 0, 200, 300), "left"))
    write(drawn / "b.png.geojson", annotation(square(0, 0, 100, 300), "narrow"))
    write(drawn / "zebra.json", annotation(square(0, 0, 9, 9)))
    images = [slides / f"{name}.png" for name in "abc"]
    out = tmp_path / "out"
    result, lines = run(images, out, threshold_model, mpp=0.5, annotations=drawn)
    assert result.failed == 0
    assert [s.summary.get("regions", [{}])[0].get("region") for s in result.slides] == [
        *("left", "narrow", None)
    ]
    assert lines.problems == [
        f"1 files in --annotations {drawn} are named after no slide: zebra.json"
    ]
    note = f"no file in --annotations {drawn} is named after it: its nuclei are in no region"
    assert result.slides[2].summary["warnings"] == [note]
    assert not (out / "c.regions.csv").exists()
    found = pyarrow.dataset.dataset(out / "cohort.nuclei").to_table(["slide"]).to_pydict()
    assert set(found["slide"]) == {"a.png", "b.png", "c.png"}


def test_two_files_for_one_slide_are_a_line_and_the_others_go_on(slides, threshold_model, tmp_path):
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    for name in ("a.geojson", "a.png.json", "b.geojson"):
        write(drawn / name, annotation(square(0, 0, 200, 300), "left"))
    images = [slides / f"{name}.png" for name in "ab"]
    result, lines = run(images, tmp_path / "out", threshold_model, mpp=0.5, annotations=drawn)
    assert [s.path.name for s in result.slides] == ["b.png"]
    assert result.failed == 1
    assert "are both named after it" in lines.problems[0]


def test_a_folder_of_other_slides_is_wrong_usage(slides, threshold_model, tmp_path):
    write(tmp_path / "z.geojson", annotation(square(0, 0, 9, 9)))
    with pytest.raises(InvalidOptions, match=r"as a\.geojson would be"):
        run(slides / "a.png", tmp_path / "out", threshold_model, mpp=0.5, annotations=tmp_path)
    one = tmp_path / "z.geojson"
    both = [slides / "a.png", slides / "b.png"]
    with pytest.raises(InvalidOptions, match="drawn on one slide; 2 are given"):
        run(both, tmp_path / "out", threshold_model, mpp=0.5, annotations=one)


def test_folders_in_a_folder(slides, threshold_model, tmp_path, tissue):
    deep = tmp_path / "in" / "deep" / "er"
    deep.mkdir(parents=True)
    Image.fromarray(tissue[:200, 300:500]).save(deep / "x.png")
    _, lines = run(tmp_path / "in", tmp_path / "out", threshold_model, mpp=0.5)
    assert lines.problems == [
        f"{tmp_path / 'in'} holds no slide, but deep/er in it does: add --recursive"
    ]
    result, _ = run(tmp_path / "in", tmp_path / "out", threshold_model, mpp=0.5, recursive=True)
    assert [s.path for s in result.slides] == [deep / "x.png"]


def test_the_nuclei_of_a_cohort_take_no_room_twice(slides, threshold_model, tmp_path):
    images = [slides / f"{name}.png" for name in "ab"]
    run(images, tmp_path, threshold_model, mpp=0.5)
    folder = tmp_path / "cohort.nuclei"
    assert sorted(p.name for p in folder.iterdir()) == ["a.parquet", "b.parquet"]
    assert (folder / "a.parquet").samefile(tmp_path / "a.parquet")
    # What is written anew later is what the folder has then.
    run(images, tmp_path, threshold_model, mpp=0.25, overwrite=True)
    assert (folder / "a.parquet").samefile(tmp_path / "a.parquet")


def cohort_of(tmp_path, *slides):
    """Summaries and a sheet as if slides had been run: group, patient, epithelial, tissue."""
    samples = {}
    for k, (group, patient, count, tissue) in enumerate(slides):
        one = {"name": "blue", "color": [0, 0, 255], "count": count, "share": 1.0}
        ratio = {"density_per_mm2": count / tissue, "mean_area_um2": 20.0 + k}
        summary = {
            "slide": f"s{k}.svs",
            "nuclei": count,
            "analysed_mm2": 1.0,
            "tissue_mm2": tissue,
            "model": {"name": "m", "version": "1"},
            "warnings": [],
            "unread_regions": [],
            "mpp": 0.5,
            "classes": [one | ratio],
        }
        (tmp_path / f"s{k}.summary.json").write_text(json.dumps(summary | ratio))
        samples[f"s{k}"] = {"Group": group, "patient": patient}
    (tmp_path / "cohort.samples.json").write_text(json.dumps(samples))
    write_cohort(tmp_path)
    page = (tmp_path / "cohort.html").read_text(encoding="utf-8")
    return page, {row["measure"]: row for row in rows_of(tmp_path / "cohort.groups.csv")}


def test_slides_of_a_patient_are_one_observation(tmp_path):
    _, measures = cohort_of(
        tmp_path,
        *(("a", "P1", 100, 0.1), ("a", "P1", 10, 0.2), ("a", "P2", 50, 0.1)),
        *(("b", "P3", 10, 0.1), ("b", "P4", 20, 0.1), ("b", "P4", 1000, 1.0)),
    )
    row = measures["density_blue_per_mm2"]
    assert (row["n_a"], row["n_b"]) == ("2", "2")
    assert float(row["median_a"]) == pytest.approx(np.median([110 / 0.3, 500]))
    assert float(row["median_b"]) == pytest.approx(np.median([100, 1020 / 1.1]))
    area = measures["mean_area_um2"]
    first = (100 * 20 + 10 * 21) / 110
    assert float(area["median_a"]) == pytest.approx(np.median([first, 22]))


def test_what_a_comparison_cannot_say_is_said(tmp_path):
    page, measures = cohort_of(
        tmp_path,
        *(("a", "P1", 1, 0.1), ("b", "P1", 2, 0.1), ("", "P9", 2, 0.1)),
        *(("a", "P2", 3, 0.1), ("a", "P3", 5, 0.1), ("b", "P4", 4, 0.1), ("b", "P5", 6, 0.1)),
    )
    assert "1 patients that are in several groups (P1)" in page
    assert "Left out: 1 slides without a group." in page
    assert "Too few units: no difference between 2 and 2 could give p below 0.33." in page
    assert (measures["density_per_mm2"]["n_a"], measures["density_per_mm2"]["n_b"]) == ("2", "2")


def test_without_patients_every_slide_counts_and_the_page_says_so(tmp_path):
    page, measures = cohort_of(
        tmp_path, *(("a", "", 10 + k, 0.1) for k in range(3)), *(("b", "", k, 0.1) for k in (1, 2))
    )
    assert "every slide counts as a patient of its own" in page
    assert {row["unit"] for row in measures.values()} == {"slide"}
