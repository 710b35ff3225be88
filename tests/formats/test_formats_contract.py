"""What every registered format must do; a new format adds a reader to ``READERS`` and no test."""

import csv
import gzip
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from format_files import content, every_format, export, files, halves, path_of

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats import WRITERS

#: What a reader gives: the class of each id, the number of nuclei of each class, or nothing.
CLASSES, COUNTS, NOTHING = "classes", "counts", "nothing"


def gives(what):
    """Mark a reader that gives something else than the class of each id."""

    def marked(reader):
        reader.given = what
        return reader

    return marked


def read_geojson(path):
    features = json.loads(path.read_text("utf-8"))["features"]
    return {
        int(f["properties"]["name"]): f["properties"]["classification"]["name"] for f in features
    }


def read_geojson_gz(path):
    features = json.loads(gzip.decompress(path.read_bytes()))["features"]
    return {
        int(f["properties"]["name"]): f["properties"]["classification"]["name"] for f in features
    }


def read_parquet_table(path):
    table = pq.read_table(path)
    return dict(zip(table["id"].to_pylist(), table["class"].to_pylist(), strict=True))


def read_csv(path):
    rows = [line.split(",")[:2] for line in path.read_text("utf-8").splitlines()[1:]]
    return {int(row[0]): row[1] for row in rows}


def read_labels(path):
    table = read_csv(path.with_name(path.name.replace(".tif", ".csv")))
    seen = np.unique(tifffile.imread(path))
    assert set(seen[seen > 0].tolist()) == set(table)
    return table


@gives(NOTHING)
def read_overlay(path):
    assert cv2.imread(str(path)) is not None


@gives(NOTHING)
def read_quality(path):
    assert json.loads(path.read_text("utf-8"))["type"] == "FeatureCollection"


@gives(COUNTS)
def read_spatial(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["from"]: int(row["nuclei_from"]) for row in csv.DictReader(file)}


@gives(COUNTS)
def read_summary(path):
    return {c["name"]: c["count"] for c in json.loads(path.read_text("utf-8"))["classes"]}


@gives(COUNTS)
def read_regions(path):
    with path.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["kind"] == "all"
    return {n.removeprefix("count_"): int(v) for n, v in row.items() if n.startswith("count_")}


@gives(COUNTS)
def read_report(path):
    text = path.read_text(encoding="utf-8")
    rows = re.findall(r"</i>([^<]+)</th><td>([\d,]+)</td>", text)
    return {name: int(count.replace(",", "")) for name, count in rows}


def read_sqlite(path):
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, properties FROM annotations").fetchall()
    return {row[0]: json.loads(row[1])["type"] for row in rows}


def read_hovernet(path):
    data = json.loads(path.read_text("utf-8"))
    names = {int(k): v[0] for k, v in data["type_info"].items()}
    return {int(k): names[v["type"]] for k, v in data["nuc"].items()}


def read_conic(path):
    instances, classes = np.load(path)[0].transpose(2, 0, 1)
    names = {0: "unclassified"} | {c.id: c.name for c in Taxonomy.load("lizard").classes}
    ids, first = np.unique(instances, return_index=True)
    found = zip(ids.tolist(), classes.ravel()[first].tolist(), strict=True)
    return {i: names[c] for i, c in found if i}


def texts(array):
    return [v.decode() if isinstance(v, bytes) else str(v) for v in array[:]]


def read_anndata_group(root):
    names = texts(root["obs/class/categories"])
    ids = list(map(int, texts(root["obs/_index"])))
    codes = root["obs/class/codes"][:].tolist()
    assert len(ids) == root["X"].shape[0] == root["obsm/spatial"].shape[0]
    return {i: names[c] for i, c in zip(ids, codes, strict=True)}


def read_h5ad(path):
    import h5py

    with h5py.File(path) as file:
        return read_anndata_group(file)


def read_spatialdata(path):
    import zarr

    root = zarr.open_group(str(path), mode="r")
    if "tables" not in root:
        return {}
    shapes = pq.read_table(path / "shapes" / "nuclei" / "shapes.parquet")
    found = read_anndata_group(root["tables/nuclei_table"])
    assert list(found) == shapes["id"].to_pylist()
    return found


def read_ome_zarr(path):
    import zarr

    table = read_csv(path.with_name("slide.labels.csv"))
    seen = np.unique(zarr.open_array(str(path / "0"), mode="r")[:])
    assert set(seen[seen > 0].tolist()) == set(table)
    return table


READERS = {
    "geojson": read_geojson,
    "geojson.gz": read_geojson_gz,
    "parquet": read_parquet_table,
    "csv": read_csv,
    "labels": read_labels,
    "overlay": read_overlay,
    "summary": read_summary,
    "regions": read_regions,
    "report": read_report,
    "spatialdata": read_spatialdata,
    "h5ad": read_h5ad,
    "annotationstore": read_sqlite,
    "ome-zarr": read_ome_zarr,
    "hovernet": read_hovernet,
    "conic": read_conic,
    "quality": read_quality,
    "spatial": read_spatial,
}


def test_every_format_has_a_reader():
    assert set(READERS) == set(WRITERS)


@every_format
def test_round_trip_of_ids_and_classes(tmp_path, name, nuclei, context):
    found = READERS[name](export(tmp_path, name, context, nuclei))
    given = getattr(READERS[name], "given", CLASSES)
    if given == CLASSES:
        assert found == dict(zip(nuclei.id.tolist(), nuclei.class_names().tolist(), strict=True))
    elif given == COUNTS:
        assert found == dict(Counter(nuclei.class_names().tolist())) | {
            n: 0 for n in nuclei.taxonomy.names if n not in nuclei.class_names()
        }


@every_format
@pytest.mark.parametrize("blocks", [0, 1], ids=["no block", "an empty block"])
def test_no_nuclei_give_a_valid_file(tmp_path, name, blocks, context):
    empty = Nuclei.empty(context.taxonomy, context.mpp)
    found = READERS[name](export(tmp_path, name, context, *[empty] * blocks))
    assert not found or set(found.values()) == {0}


@every_format
def test_many_blocks_equal_one(tmp_path, name, nuclei, context):
    (tmp_path / "one").mkdir()
    (tmp_path / "many").mkdir()
    one = export(tmp_path / "one", name, context, nuclei)
    empty = Nuclei.empty(context.taxonomy, context.mpp)
    first, second = halves(nuclei)
    many = export(tmp_path / "many", name, context, empty, first, empty, second)
    assert READERS[name](one) == READERS[name](many)
    assert content(one) == content(many)


@every_format
def test_nothing_appears_before_close_and_only_outputs_after(tmp_path, name, nuclei, context):
    path = path_of(tmp_path, name)
    writer = WRITERS[name](path, context)
    writer.write(nuclei)
    writer.finish()
    assert not any(p.exists() for p in writer.paths(path))
    assert all(p.name.startswith(".") for p in tmp_path.iterdir())
    writer.commit()
    assert set(tmp_path.iterdir()) == set(writer.paths(path))
    with pytest.raises(ValueError, match="closed"):
        writer.write(nuclei)


@every_format
@pytest.mark.parametrize("when", ["opened", "written", "finished"])
def test_abort_leaves_what_was_there(tmp_path, name, when, nuclei, context):
    path = export(tmp_path, name, context, nuclei)
    before = files(tmp_path)
    writer = WRITERS[name](path, context)
    if when != "opened":
        writer.write(nuclei.take([0]))
    if when == "finished":
        writer.finish()
    writer.abort()
    assert files(tmp_path) == before


@every_format
def test_an_exception_aborts(tmp_path, name, nuclei, context):
    def blocks():
        yield nuclei
        raise RuntimeError("reading stopped")

    with pytest.raises(RuntimeError):
        export(tmp_path, name, context, stream=blocks())
    assert list(tmp_path.iterdir()) == []
