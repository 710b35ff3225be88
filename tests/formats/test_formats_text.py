"""GeoJSON and CSV: numbers as text, and what other programs make of the files."""

import csv
import gzip
import json
import math
import uuid
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from some_nuclei import make_nuclei, polygons_of, trace

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats.outlines.digits import LONGEST_NUMBER, put_fixed, put_integer, put_number
from karyoscope.formats.outlines.geojson import GeoJSONWriter, GzippedGeoJSONWriter
from karyoscope.formats.tables.csv import CSVWriter


def text_of(put, *arguments):
    out = np.zeros(64, np.uint8)
    end = put(out, 0, *arguments)
    assert end <= LONGEST_NUMBER
    return out[:end].tobytes().decode()


@given(st.integers(0, 2**62))
def test_integers(value):
    assert text_of(put_integer, value) == str(value)


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
@example(-0.001, 2)
@example(0.005, 2)
@example(99999.999, 2)
def test_fixed_is_within_half_a_unit_and_has_no_superfluous_digits(value, decimals):
    text = text_of(put_fixed, value, decimals)
    assert abs(float(text) - value) <= 0.5 * 10.0**-decimals * (1 + 1e-9) + 1e-9
    assert text != "-0"
    assert not ("." in text and text.endswith(("0", ".")))
    assert len(text.partition(".")[2]) <= decimals


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(1e15)
@example(9.9999999e14)
@example(-9.9999999e-6)
@example(5e-324)
@example(1.7976931348623157e308)
@example(9.99999999)
def test_numbers_keep_seven_digits(value):
    found = json.loads(text_of(put_number, value))
    assert math.isclose(found, value, rel_tol=6e-7, abs_tol=1e-320)


def write(writer, path, context, nuclei):
    with writer(path, context) as opened:
        opened.write(nuclei)
    return path


def test_geojson_has_what_qupath_reads(tmp_path, nuclei, context):
    path = write(GeoJSONWriter, tmp_path / "a.geojson", context, nuclei)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(nuclei) + 2
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["metadata"]["slide"] == "slide é.svs"
    ids, places = set(), context.places(nuclei)
    for row, feature in enumerate(data["features"]):
        properties = feature["properties"]
        nucleus_class = nuclei.taxonomy.by_id(int(nuclei.class_id[row]))
        assert properties["objectType"] == "detection"
        assert properties["classification"] == {
            "name": nucleus_class.name,
            "color": list(nucleus_class.color),
        }
        assert feature["id"] == context.uuid(int(places[row]))
        assert uuid.UUID(feature["id"]).variant == uuid.RFC_4122
        ids.add(feature["id"])
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        values = properties["measurements"]
        assert values["p_plasma"] == pytest.approx(nuclei.probabilities[row, 3], abs=5e-5)
        assert values["Area µm^2"] == pytest.approx(nuclei.area_um2[row], abs=0.006)
        eccentricity = nuclei.measurements["eccentricity"][row]
        assert ("Eccentricity" in values) == bool(np.isfinite(eccentricity))
    assert len(ids) == len(nuclei)


def test_ids_denote_a_place_and_a_run(nuclei, context):
    """Where one run finds more than another, ids that both have are of the same nuclei."""
    fewer, everything = nuclei.take(np.arange(3, 40)).renumber(), nuclei
    shared = set(context.places(fewer).tolist()) & set(context.places(everything).tolist())
    assert len(shared) == len(fewer)
    assert context.places(fewer).tolist() == context.places(everything)[3:40].tolist()
    first, other = (replace(context, run_id=run_id) for run_id in ("a", "b"))
    assert first.uuid(5) != other.uuid(5)
    assert first.uuid(5) == replace(context, run_id="a").uuid(5)


def test_geojson_polygons_are_valid_counterclockwise_and_in_place(tmp_path, nuclei, context):
    path = write(GeoJSONWriter, tmp_path / "a.geojson", context, nuclei)
    polygons = shapely.get_parts(shapely.from_geojson(path.read_text(encoding="utf-8")))
    assert shapely.is_valid(polygons).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(polygons)).all()
    expected = polygons_of(nuclei)
    assert shapely.hausdorff_distance(polygons, expected).max() < 0.01


def test_geojson_of_real_nuclei_is_valid(tmp_path, shared, context):
    case = np.load(shared / "golden" / "consep_cases.npz")
    labels = case["true_0_inst_map"].astype(np.int32)
    classes = np.ones(labels.max() + 1, np.uint8)
    nuclei = trace(labels, classes, context.taxonomy, context.mpp)
    path = write(GeoJSONWriter, tmp_path / "a.geojson", context, nuclei)
    polygons = shapely.get_parts(shapely.from_geojson(path.read_text(encoding="utf-8")))
    expected = polygons_of(nuclei)
    assert len(polygons) == len(nuclei)
    assert (shapely.is_valid(polygons) == shapely.is_valid(expected)).all()
    assert shapely.area(polygons) == pytest.approx(shapely.area(expected), abs=0.02)


def test_gzip_holds_the_same_bytes(tmp_path, nuclei, context):
    plain = write(GeoJSONWriter, tmp_path / "a.geojson", context, nuclei).read_bytes()
    packed = write(GzippedGeoJSONWriter, tmp_path / "a.geojson.gz", context, nuclei).read_bytes()
    assert gzip.decompress(packed) == plain
    assert len(packed) < len(plain) / 3


def test_names_with_special_characters_survive(tmp_path, nuclei, context):
    data = nuclei.taxonomy.to_dict()
    data["classes"][0]["name"] = 'odd "name", two\\'
    data["merges"] = {}
    odd = Taxonomy.from_dict(data)
    nuclei = replace(nuclei, taxonomy=odd, measurements={'mean "H", µ': nuclei.area_um2})
    context = replace(context, taxonomy=odd)
    path = write(GeoJSONWriter, tmp_path / "a.geojson", context, nuclei)
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    names = [f["properties"]["classification"]["name"] for f in features]
    assert names == nuclei.class_names().tolist()
    assert 'mean "H", µ' in features[0]["properties"]["measurements"]
    path = write(CSVWriter, tmp_path / "a.csv", context, nuclei)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["class"] for r in rows] == names
    assert float(rows[5]['mean "H", µ']) == pytest.approx(nuclei.area_um2[5])


def test_csv_columns_and_values(tmp_path, nuclei, context):
    path = write(CSVWriter, tmp_path / "a.csv", context, nuclei)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(nuclei.columns())
    assert list(rows[0])[:4] == ["id", "class", "x", "y"]
    assert [int(r["id"]) for r in rows] == nuclei.id.tolist()
    assert [float(r["x"]) for r in rows] == pytest.approx(nuclei.x.tolist(), abs=0.005)
    for row, value in zip(rows, nuclei.measurements["eccentricity"], strict=True):
        assert row["eccentricity"] == "" if np.isnan(value) else float(row["eccentricity"])


def test_blocks_with_other_columns_are_refused(tmp_path, context):
    nuclei = make_nuclei(20)
    writer = CSVWriter(tmp_path / "a.csv", context)
    writer.write(nuclei)
    with pytest.raises(ValueError, match="columns"):
        writer.write(replace(nuclei, measurements={}))
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 40), seed=st.integers(0, 99))
def test_geojson_geometry_of_any_nuclei(tmp_path_factory, count, seed):
    from karyoscope.formats import ExportContext

    nuclei = make_nuclei(count, seed=seed)
    context = ExportContext("s", (600, 400), 0.5, nuclei.taxonomy)
    path = tmp_path_factory.mktemp("geojson") / "a.geojson"
    write(GeoJSONWriter, path, context, nuclei)
    polygons = shapely.get_parts(shapely.from_geojson(path.read_text(encoding="utf-8")))
    assert len(polygons) == count
    assert shapely.is_valid(polygons).all()


def test_units_are_in_the_names_of_measurements_and_decimals_follow_them(tmp_path, nuclei, context):
    columns = {"perimeter_um": 12.3456789, "density_50um_per_mm2": 1234.567, "solidity": 0.912345}
    values = {name: np.full(len(nuclei), v, np.float32) for name, v in columns.items()}
    nuclei = replace(nuclei, measurements=values)
    path = write(GeoJSONWriter, tmp_path / "a.geojson", context, nuclei)
    measured = json.loads(path.read_text("utf-8"))["features"][0]["properties"]["measurements"]
    assert measured["Perimeter µm"] == 12.35
    assert measured["Density 50 µm per mm^2"] == 1234.6
    assert measured["Solidity"] == pytest.approx(0.912345)
    path = write(CSVWriter, tmp_path / "a.csv", context, nuclei)
    with path.open(newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["perimeter_um"], row["density_50um_per_mm2"]) == ("12.35", "1234.6")
