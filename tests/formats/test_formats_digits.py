"""All files of a run hold equal numbers, with the digits that make sense."""

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from karyoscope.formats import open_writers, read_parquet
from karyoscope.formats.rounding import rounded
from karyoscope.formats.tables.columns import spoken_name

FORMATS = ["csv", "parquet", "geojson", "annotationstore"]


@pytest.fixture
def measured(nuclei):
    rng = np.random.default_rng(3)
    columns = {
        "major_axis_um": rng.uniform(3, 30, 300).astype(np.float32),
        "orientation_deg": rng.uniform(-90, 90, 300).astype(np.float32),
        "haematoxylin_od": rng.uniform(0, 2, 300).astype(np.float32),
        "solidity": rng.uniform(0, 1, 300).astype(np.float32),
        "tiny": (rng.uniform(0, 1, 300) * 1e-6).astype(np.float32),
        "huge": (rng.uniform(0, 1, 300) * 1e9).astype(np.float32),
    }
    return replace(nuclei, measurements=columns)


def test_numbers_are_equal_in_all_files(tmp_path, measured, context):
    with open_writers(tmp_path, "slide", FORMATS, context) as writers:
        writers.write(measured)
    with (tmp_path / "slide.csv").open(newline="") as file:
        rows = {int(row["id"]): row for row in csv.DictReader(file)}
    table = read_parquet(tmp_path / "slide.parquet").columns()
    features = json.loads((tmp_path / "slide.geojson").read_text("utf-8"))["features"]
    in_qupath = {int(f["properties"]["name"]): f["properties"]["measurements"] for f in features}
    with closing(sqlite3.connect(tmp_path / "slide.annotations.db")) as connection:
        stored = connection.execute("SELECT id, properties FROM annotations").fetchall()
    in_store = {number: json.loads(text) for number, text in stored}
    names = [name for name in table if name not in ("id", "class", "x", "y")]
    assert len(names) == 13
    for place, number in enumerate(table["id"].tolist()):
        for name in names:
            text = rows[number][name]
            value = np.float32(text)
            assert table[name][place] == value
            assert np.float32(in_qupath[number][spoken_name(name)]) == value
            assert in_store[number][name] == pytest.approx(float(text), rel=1e-12)
        assert table["x"][place] == float(rows[number]["x"])


def test_digits_are_those_of_the_unit(measured):
    columns = rounded(measured).columns()
    places = {"x": 2, "area_um2": 2, "p_plasma": 4, "major_axis_um": 2, "orientation_deg": 1}
    for name, count in places.items():
        shortest = [str(value) for value in columns[name].tolist()]
        exact = np.asarray(measured.columns()[name], np.float64)
        assert np.abs(columns[name] - exact).max() <= 0.51 * 10.0**-count
        assert columns[name].dtype == measured.columns()[name].dtype
        if name == "x":
            assert max(len(text.partition(".")[2]) for text in shortest) <= count
    for name in ("tiny", "huge", "solidity"):
        assert np.allclose(columns[name], measured.measurements[name], rtol=6e-6, atol=0)


def test_rounding_twice_changes_nothing(measured):
    once = rounded(measured)
    twice = rounded(once)
    for name, column in once.columns().items():
        assert np.array_equal(column, twice.columns()[name]), name
    assert np.array_equal(once.vertices, measured.vertices)


def test_what_is_no_number_stays(nuclei):
    assert np.isnan(nuclei.measurements["eccentricity"]).any()
    before, after = (n.measurements["eccentricity"] for n in (nuclei, rounded(nuclei)))
    assert np.array_equal(np.isnan(before), np.isnan(after))
