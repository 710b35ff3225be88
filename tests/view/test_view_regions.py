"""Regions: counts equal those computed from the table alone; other programs read the file."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import open_dataset
from karyoscope.evaluation.correction import collect
from karyoscope.formats import read_parquet
from karyoscope.pipeline import Outlines
from karyoscope.slides import open_slide
from karyoscope.view.regions import measure_region, region_of

STEM = "CMU-1-Small-Region"
SLIDE = Path(__file__).parents[2] / f"examples/{STEM}.svs"


def polygon(*points):
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


def feature(geometry, name="Region", **more):
    return {"type": "Feature", "geometry": geometry, "properties": {"name": name, **more}}


@given(st.integers(0, 10_000))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_counts_are_those_of_the_table(workspace, nuclei, seed):
    random = np.random.default_rng(seed)
    # A star: never crosses itself, often concave.
    angle = np.sort(random.uniform(0, 2 * np.pi, 9))
    centre, radius = random.uniform(200, 2000, 2), random.uniform(50, 1500, 9)
    points = centre + np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    region = region_of(polygon(*points.tolist()))
    found = measure_region(workspace.nuclei("r0"), region)
    x, y = nuclei.x.astype(np.float32), nuclei.y.astype(np.float32)
    inside = shapely.contains_xy(region, x, y)
    assert found["nuclei"] == inside.sum()
    assert found["area_mm2"] == pytest.approx(region.area * nuclei.mpp**2 * 1e-6)
    counts = {c["id"]: c["count"] for c in found["classes"]}
    for class_id in nuclei.taxonomy.ids:
        assert counts[class_id] == (nuclei.class_id[inside] == class_id).sum()
    shares = [c["share"] for c in found["classes"] if c["share"] is not None]
    assert not inside.any() or sum(shares) == pytest.approx(1)


def test_densities_are_per_tissue_and_filters_count(client, nuclei):
    geometry = polygon([0, 0], [2220, 0], [2220, 2967], [0, 2967])
    found = client.post("/data/results/r0/measure", json={"geometry": geometry}).json()
    assert found["nuclei"] == len(nuclei)
    assert 0 < found["tissue_mm2"] < found["area_mm2"]
    assert found["density_per_mm2"] == pytest.approx(len(nuclei) / found["tissue_mm2"])
    sent = {"geometry": geometry, "filter": "area_um2:30:60"}
    fewer = client.post("/data/results/r0/measure", json=sent).json()
    passes = (nuclei.area_um2 >= 30) & (nuclei.area_um2 <= 60)
    assert fewer["nuclei"] == passes.sum() > 0


def test_corrections_count(client, workspace, nuclei):
    whole = {"geometry": polygon([0, 0], [2220, 0], [2220, 2967], [0, 2967])}
    ids = workspace.nuclei("r0").table.id[:5].tolist()
    client.post("/data/results/r0/edits", json={"kind": "delete", "ids": ids})
    ring = [[500, 500], [520, 500], [520, 520], [500, 520]]
    client.post("/data/results/r0/edits", json={"kind": "add", "outline": ring, "class": 3})
    found = client.post("/data/results/r0/measure", json=whole).json()
    assert found["nuclei"] == len(nuclei) - 4


def test_saved_regions_are_read_by_segment_and_come_back(client, results):
    bow = polygon([100, 100], [500, 500], [500, 100], [100, 500])  # crosses itself
    square = polygon([700, 700], [900, 700], [900, 900], [700, 900])
    evil = '"><img src=x onerror=alert(1)>'
    sent = {"features": [feature(square, evil, reviewed=True), feature(bow)]}
    assert client.put("/data/results/r0/regions", json=sent).status_code == 200
    with open_slide(SLIDE) as slide:
        outlines = Outlines.read(results / f"{STEM}.regions.geojson", slide)
    inside = outlines.hold(np.array([800.0, 650.0]), np.array([800.0, 650.0]))
    assert inside.tolist() == [True, False]
    back = client.get("/data/results/r0/regions.geojson").json()
    assert [f["properties"]["name"] for f in back["features"]] == [evil, "Region"]
    assert [f["properties"]["reviewed"] for f in back["features"]] == [True, False]


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        5,
        {},
        {"type": "Point", "coordinates": [1, 1]},
        polygon([1, 1], [1, 1], [1, 1]),
        polygon([0, 0], [1e308, 0], [1e308, 1e308]),
        {"type": "Polygon", "coordinates": "x"},
    ],
)
def test_what_is_no_polygon_is_refused(client, geometry):
    answer = client.post("/data/results/r0/measure", json={"geometry": geometry})
    assert answer.status_code == 409
    assert "region" in answer.json()["error"]
    with pytest.raises(KaryoscopeError):
        region_of(geometry)


def test_reviewed_regions_become_a_dataset_that_training_reads(client, results, nuclei, workspace):
    corner = polygon([300, 300], [900, 300], [300, 900])
    ids = [int(i) for i in workspace.nuclei("r0").table.id]
    inside = nuclei.take(shapely.contains_xy(region_of(corner), nuclei.x, nuclei.y))
    changed = [int(i) for i in inside.id[:10]]
    assert set(changed) <= set(ids)
    client.post("/data/results/r0/edits", json={"kind": "class", "ids": changed, "class": 5})
    assert client.post("/data/results/r0/collect", json={}).status_code == 409
    sent = {"features": [feature(corner, reviewed=True), feature(polygon([0, 0], [9, 0], [9, 9]))]}
    client.put("/data/results/r0/regions", json=sent)
    written = client.post("/data/results/r0/collect", json={}).json()
    assert written == {
        "folder": f"{STEM}.reviewed",
        "file": f"{STEM}.corrected.geojson",
        "images": 1,
        "nuclei": len(inside),
    }
    dataset = open_dataset(results / written["folder"])
    assert dataset.problems == []
    (sample,) = dataset
    assert sample.image.shape == (600, 600, 3)
    assert sample.mpp == pytest.approx(0.499)
    assert sample.record.source == STEM
    eosinophils = (sample.classes == dataset.taxonomy.id_of("eosinophil")).sum()
    assert eosinophils >= len(changed)
    assert sample.ignore[590, 590]
    assert not sample.ignore[100, 100]
    truth = read_parquet(results / f"{STEM}.parquet")
    assert (truth.class_id == nuclei.class_id).all()
    json.loads((results / written["folder"] / f"{STEM}-1.geojson").read_text("utf-8"))


def test_a_neighbour_that_reaches_into_a_reviewed_region_is_no_background(client, results, nuclei):
    # A nucleus whose centroid lies left of the region's edge, and whose right side is in it.
    row = int(np.argmin(np.abs(nuclei.x - 1000) + np.abs(nuclei.y - 1000)))
    x, y = float(nuclei.x[row]), float(nuclei.y[row])
    ring = nuclei.vertices[nuclei.offsets[row] : nuclei.offsets[row + 1]]
    edge = (x + float(ring[:, 0].max())) / 2
    corner = polygon([edge, y - 60], [edge + 120, y - 60], [edge + 120, y + 60], [edge, y + 60])
    client.put("/data/results/r0/regions", json={"features": [feature(corner, reviewed=True)]})
    written = client.post("/data/results/r0/collect", json={}).json()
    (sample,) = open_dataset(results / written["folder"])
    inside = 60, int(np.ceil((ring[:, 0].max() - edge) / 2))
    assert sample.ignore[inside]
    assert sample.inst_map[inside] == 0


def test_the_page_and_the_command_collect_the_same(client, results, example_slide, tmp_path):
    corners = [
        polygon([300, 300], [700, 300], [300, 700]),
        polygon([650, 90], [800, 90], [800, 200]),
    ]
    drawn = {
        "kind": "add",
        "class": 3,
        # It crosses itself.
        "outline": [[400, 400], [440, 440], [440, 400], [400, 440]],
    }
    assert client.post("/data/results/r0/edits", json=drawn).status_code == 200
    sent = {"features": [feature(corner, reviewed=True) for corner in corners]}
    client.put("/data/results/r0/regions", json=sent)
    written = client.post("/data/results/r0/collect", json={}).json()
    found = collect(
        [results / written["file"]], tmp_path / "set", slides=example_slide, classes="lizard"
    )
    assert (found.images, found.nuclei, found.problems) == (2, written["nuclei"], [])
    pairs = zip(
        open_dataset(results / written["folder"]), open_dataset(tmp_path / "set"), strict=True
    )
    for page, command in pairs:
        assert page.record == command.record
        assert page.mpp == pytest.approx(command.mpp)
        for name in ("image", "ignore", "class_map"):
            np.testing.assert_array_equal(getattr(page, name), getattr(command, name))
        assert len(np.unique(page.inst_map)) == len(np.unique(command.inst_map))
