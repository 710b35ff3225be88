"""The notebook from a sample sheet to a figure, executed, each of its numbers recomputed."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from drawn import areas_in, points_of, tissue_in

from karyoscope.slides import open_slide

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "sample_sheet.ipynb"
PATIENTS = {"a": "P1", "b": "P1", "c": "P3", "d": "P4", "e": "P2", "f": "P5"}
GROUPS = {"P1": "treated", "P2": "treated", "P3": "control", "P4": "control", "P5": "control"}


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def day(executed):
    return executed("sample_sheet")[1]


def slide(day, stem):
    path = next((day / "slides").glob(f"{stem}.*"))
    return open_slide(path, 0.2 if path.suffix == ".png" else None)


@pytest.mark.slow
class TestTheDay:
    def test_there_is_a_figure(self, day):
        assert (day / "figure.png").stat().st_size > 10_000
        page = (day / "out" / "cohort.html").read_text(encoding="utf-8")
        assert "Too few units" in page
        assert all(f'href="{stem}.report.html"' in page for stem in PATIENTS)

    def test_every_slide(self, day):
        rows = {row["result"]: row for row in rows_of(day / "out" / "cohort.csv")}
        assert {stem: row["patient"] for stem, row in rows.items()} == PATIENTS
        assert {row["patient"]: row["group"] for row in rows.values()} == GROUPS
        assert rows["a"]["age"] == "61"
        for stem, row in rows.items():
            points, columns = points_of(day / "out" / f"{stem}.parquet")
            assert int(row["nuclei"]) == len(points) > 5
            with slide(day, stem) as opened:
                whole = opened.size[0] * opened.size[1] * opened.mpp**2 * 1e-6
                assert float(row["mpp"]) == pytest.approx(0.499 if stem < "e" else 0.2)
                assert float(row["analysed_mm2"]) == pytest.approx(whole)
                tissue = tissue_in(opened, None)
            assert float(row["tissue_mm2"]) == pytest.approx(tissue)
            for name in ("epithelial", "lymphocyte", "connective"):
                count = int((columns["class"] == name).sum())
                assert int(row[f"count_{name}"]) == count
                assert float(row[f"density_{name}_per_mm2"]) == pytest.approx(count / tissue)
                assert float(row[f"share_{name}"]) == pytest.approx(count / len(points))

    def test_every_region(self, day):
        rows = rows_of(day / "out" / "cohort.regions.csv")
        assert {row["result"] for row in rows} == {"a", "b", "c"}
        for stem in "abc":
            points, columns = points_of(day / "out" / f"{stem}.parquet")
            own = [r for r in rows if r["result"] == stem and r["kind"] == "annotation"]
            inside_any = np.zeros(len(points), bool)
            drawn = areas_in(day / "drawn" / f"{stem}.geojson")
            with slide(day, stem) as opened:
                for (_, kind, area), row in zip(drawn, own, strict=True):
                    inside = np.array([area.contains(point) for point in points])
                    inside_any |= inside
                    tissue = tissue_in(opened, area)
                    assert (row["class"], row["group"]) == (kind, GROUPS[PATIENTS[stem]])
                    assert int(row["nuclei"]) == inside.sum() > 10
                    assert float(row["area_mm2"]) == pytest.approx(area.area * 0.499**2 * 1e-6)
                    assert float(row["tissue_mm2"]) == pytest.approx(tissue)
                    assert float(row["density_per_mm2"]) == pytest.approx(inside.sum() / tissue)
                    count = (inside & (columns["class"] == "epithelial")).sum()
                    assert float(row["density_epithelial_per_mm2"]) == pytest.approx(count / tissue)
                    assert (columns["region"][inside] == row["region"]).all()
            outside = next(r for r in rows if r["result"] == stem and r["kind"] == "outside")
            assert int(outside["nuclei"]) == (~inside_any).sum()

    def test_one_table_of_all_nuclei(self, day):
        import pandas as pd

        table = pd.read_parquet(day / "out" / "cohort.nuclei")
        found = table["slide"].value_counts().to_dict()
        rows = rows_of(day / "out" / "cohort.csv")
        assert found == {row["slide"]: int(row["nuclei"]) for row in rows}

    def test_the_groups(self, day):
        """By patient: the two slides of P1 are one observation."""
        slides = rows_of(day / "out" / "cohort.csv")
        measures = {row["measure"]: row for row in rows_of(day / "out" / "cohort.groups.csv")}
        for name in ("lymphocyte", "connective"):
            values = {"treated": [], "control": []}
            for patient, group in GROUPS.items():
                own = [row for row in slides if row["patient"] == patient]
                count = sum(int(row[f"count_{name}"]) for row in own)
                values[group].append(count / sum(float(row["tissue_mm2"]) for row in own))
            row = measures[f"density_{name}_per_mm2"]
            assert (row["n_control"], row["n_treated"], row["unit"]) == ("3", "2", "patient")
            for group, found in values.items():
                assert float(row[f"median_{group}"]) == pytest.approx(np.median(found))
            test = scipy.stats.mannwhitneyu(values["control"], values["treated"])
            assert float(row["p"]) == pytest.approx(test.pvalue)
            pairs = [np.sign(c - t) for c in values["control"] for t in values["treated"]]
            assert float(row["effect"]) == pytest.approx(np.mean(pairs))
            assert "too few units" in row["remark"]
        tested = [row for row in measures.values() if row["p"]]
        adjusted = scipy.stats.false_discovery_control([float(row["p"]) for row in tested])
        assert [float(row["p_adjusted"]) for row in tested] == pytest.approx(adjusted.tolist())
        assert "Epithelium: density_per_mm2" in measures

    def test_the_numbers_that_the_notebook_shows_are_those(self, day):
        """What is committed was made by this notebook, not by hand."""
        shown = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
        text = json.dumps([cell.get("outputs", []) for cell in shown["cells"]])
        for row in rows_of(day / "out" / "cohort.regions.csv"):
            if row["kind"] == "annotation":
                assert row["region"] in text
