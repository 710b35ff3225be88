"""Annotations in files: the column ``region``, outlines in pictures, the part that they show."""

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from some_nuclei import make_nuclei

from karyoscope.core.regions import Region, Regions
from karyoscope.formats import WRITERS, RunReport, open_writers, read_parquet

NAMES = ('=1+1, "core"', "Tümor", "")
REGIONS = Regions(
    Region(name, shapely.box(200 * k, 0, 200 * k + 200, 400), color=(0, 90, 200))
    for k, name in enumerate(NAMES[:2])
)


def pattern(x, y, width, height, mpp):
    """Pixels that tell where they are."""
    step = 1 if mpp is None else round(mpp / 0.5)
    columns, rows = np.meshgrid((np.arange(width) + x) * step, (np.arange(height) + y) * step)
    return np.stack([columns % 251, rows % 241, (columns + rows) % 239], -1).astype(np.uint8)


@pytest.fixture
def named(nuclei, context):
    places = np.minimum(nuclei.x // 200, 2).astype(int)
    column = {"region": np.array(NAMES, object)[places]}
    return nuclei.with_measurements(column), replace(context, regions=REGIONS)


def written(folder, name, nuclei, context):
    with open_writers(folder, "slide", [name], context, overwrite=True) as writers:
        writers.write(nuclei.take(np.arange(7)))
        writers.write(nuclei.take(np.arange(7, len(nuclei))))
        writers.report(RunReport(analysed_mm2=0.02))
    return folder / f"slide{WRITERS[name].suffix}"


def regions_by_id(nuclei):
    return dict(zip(nuclei.id.tolist(), nuclei.measurements["region"].tolist(), strict=True))


def test_csv(tmp_path, named):
    path = written(tmp_path, "csv", *named)
    with path.open(newline="", encoding="utf-8") as file:
        rows = {int(r["id"]): r["region"] for r in csv.DictReader(file)}
    safe = {k: "'" + v if v.startswith("=") else v for k, v in regions_by_id(named[0]).items()}
    assert rows == safe


def test_parquet_is_text_and_comes_back(tmp_path, named):
    path = written(tmp_path, "parquet", *named)
    assert str(pq.read_schema(path).field("region").type) == "string"
    assert regions_by_id(read_parquet(path)) == regions_by_id(named[0])


def test_geojson_has_it_in_the_metadata_of_qupath(tmp_path, named):
    features = json.loads(written(tmp_path, "geojson", *named).read_text("utf-8"))["features"]
    found = {
        int(f["properties"]["name"]): f["properties"].get("metadata", {}).get("region", "")
        for f in features
    }
    assert found == regions_by_id(named[0])
    assert all("Region" not in f["properties"]["measurements"] for f in features)


def test_annotationstore(tmp_path, named):
    with closing(sqlite3.connect(written(tmp_path, "annotationstore", *named))) as connection:
        rows = connection.execute("SELECT id, properties FROM annotations").fetchall()
    assert {k: json.loads(v)["region"] for k, v in rows} == regions_by_id(named[0])


def test_h5ad(tmp_path, named):
    h5py = pytest.importorskip("h5py")
    with h5py.File(written(tmp_path, "h5ad", *named)) as file:
        names = [*file["obs/region/categories"].asstr()[:], ""]
        ids = file["obs/_index"].asstr()[:].astype(int).tolist()
        codes = file["obs/region/codes"][:].tolist()
    assert {i: names[c] for i, c in zip(ids, codes, strict=True)} == regions_by_id(named[0])


def test_spatialdata_calls_it_annotation(tmp_path, named):
    zarr = pytest.importorskip("zarr")
    root = zarr.open_group(str(written(tmp_path, "spatialdata", *named)), mode="r")
    obs = root["tables/nuclei_table/obs"]
    names = [*map(str, obs["annotation/categories"][:]), ""]
    found = [names[c] for c in obs["annotation/codes"][:].tolist()]
    ids = obs["id"][:].tolist()
    assert dict(zip(ids, found, strict=True)) == regions_by_id(named[0])
    assert set(obs["region/codes"][:].tolist()) == {0}


@pytest.mark.parametrize("name", [n for n in WRITERS if n not in ("h5ad",)])
def test_a_slide_without_nuclei_has_the_column_too(tmp_path, name, context):
    if name in ("spatialdata", "ome-zarr"):
        pytest.importorskip("zarr")
    context = replace(context, regions=REGIONS)
    with open_writers(tmp_path, "slide", [name], context):
        pass
    if name in ("csv", "parquet"):
        path = tmp_path / f"slide.{name}"
        first = path.read_text("utf-8").splitlines()[0].split(",") if name == "csv" else None
        assert "region" in (first or pq.read_schema(path).names)


def pixels(folder, context, nuclei):
    folder.mkdir()
    return cv2.imread(str(written(folder, "overlay", nuclei, context)))


@pytest.mark.parametrize(
    ("size", "shown"),
    [((600, 400), (40, 60, 300, 200)), ((30_000, 9000), (6000, 3000, 9000, 5000))],
    ids=["small", "reduced"],
)
def test_a_picture_of_a_part_is_that_of_a_slide_of_its_size(tmp_path, context, size, shown):
    """Pixels, outlines, names and details lie where they would if the rest were cut away."""
    nuclei = make_nuclei(300)
    left, top, width, height = shown
    moved = nuclei if size == (600, 400) else nuclei.shift(left + 900, top + 900)
    moved = moved.crop(left + 20, top + 20, width - 40, height - 40)
    around = shapely.box(left + 50, top + 40, left + 150, top + 140)
    context = replace(context, size=size, read=pattern)

    def cut(x, y, w, h, mpp):
        step = 1 if mpp is None else round(mpp / 0.5)
        return pattern(x + left // step, y + top // step, w, h, mpp)

    part = replace(context, shown=shown, regions=Regions([Region("a", around)]))
    there = shapely.transform(around, lambda places: places - (left, top))
    alone = replace(context, size=(width, height), read=cut, regions=Regions([Region("a", there)]))
    expected = pixels(tmp_path / "alone", alone, moved.shift(-left, -top))
    found = pixels(tmp_path / "part", part, moved)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_the_report_shows_the_part_and_each_annotation(tmp_path, named):
    nuclei, context = named
    row = {
        **dict.fromkeys(("area_mm2", "analysed_mm2", "tissue_mm2", "mean_area_um2"), 0.5),
        **dict.fromkeys(("density_per_mm2", "nearest_um", "clark_evans"), 1.25),
        "kind": "annotation",
        "class": "<b>",
        "id": "",
        "nuclei": 7,
        "classes": [],
    }
    rows = [row | {"region": name} for name in NAMES[:2]]
    run = RunReport(regions=[*rows, row | {"kind": "outside", "region": ""}])
    context = replace(context, shown=(10, 20, 300, 200))
    with open_writers(tmp_path, "slide", ["report"], context) as writers:
        writers.write(nuclei)
        writers.report(run)
    page = (tmp_path / "slide.report.html").read_text(encoding="utf-8")
    assert "300 × 200 pixels from 10, 20" in page
    assert page.count('with its nuclei" src=') == 2
    assert "&lt;b&gt;" in page
    assert "<b>Tümor</b> 7 nuclei" in page


def test_figures_of_a_part_are_those_of_a_slide_of_its_size(tmp_path, context):
    left, top, width, height = shown = (40, 60, 300, 200)
    nuclei = make_nuclei(300).crop(left + 20, top + 20, width - 40, height - 40)
    mask = np.arange(400)[:, None] * 600 + np.arange(600) > 70_000
    found = []

    def figures(size, part, read, own, tissue):
        about = replace(
            context, size=size, shown=part, read=read, page=lambda f: found.append(f) or ""
        )
        folder = tmp_path / str(len(found))
        with open_writers(folder, "slide", ["report"], about) as writers:
            writers.write(own)
            writers.report(RunReport(analysed_mm2=0.02, tissue_mm2=0.01, tissue_mask=(tissue, 1.0)))
        return found[-1]

    part = figures((600, 400), shown, pattern, nuclei, mask)
    alone = figures(
        (width, height),
        None,
        lambda x, y, w, h, mpp: pattern(x + left, y + top, w, h, mpp),
        nuclei.shift(-left, -top),
        mask[top : top + height, left : left + width],
    )
    assert np.array_equal(part.whole, alone.whole)
    assert np.array_equal(part.ground, alone.ground)
    assert np.array_equal(part.tissue, alone.tissue)
    assert part.extent_um == alone.extent_um
    for name, density in alone.densities.items():
        assert np.array_equal(part.densities[name], density)
