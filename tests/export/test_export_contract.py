"""What every registered format must do; a new format adds a reader to ``READERS`` and no test."""

import gc
import gzip
import json
import re
import resource
import sqlite3
import sys
import tracemalloc
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.util import find_spec

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from some_nuclei import make_nuclei

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.export import WRITERS, _anndata, open_writers, parquet


def read_geojson(path):
    features = json.loads(path.read_text())["features"]
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
    rows = [line.split(",")[:2] for line in path.read_text().splitlines()[1:]]
    return {int(row[0]): row[1] for row in rows}


def read_labels(path):
    table = read_csv(path.with_name(path.name.replace(".tif", ".csv")))
    seen = np.unique(tifffile.imread(path))
    assert set(seen[seen > 0].tolist()) == set(table)
    return table


def read_overlay(path):
    assert cv2.imread(str(path)) is not None


def read_summary(path):
    return {c["name"]: c["count"] for c in json.loads(path.read_text())["classes"]}


def read_report(path):
    text = path.read_text(encoding="utf-8")
    rows = re.findall(r"</i>([^<]+)</th><td>([\d,]+)</td>", text)
    return {name: int(count.replace(",", "")) for name, count in rows}


def read_sqlite(path):
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, properties FROM annotations").fetchall()
    return {row[0]: json.loads(row[1])["type"] for row in rows}


def read_hovernet(path):
    data = json.loads(path.read_text())
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

    table = read_csv(path.with_name("slide.labels.ome.csv"))
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
    "report": read_report,
    "spatialdata": read_spatialdata,
    "h5ad": read_h5ad,
    "annotationstore": read_sqlite,
    "ome-zarr": read_ome_zarr,
    "hovernet": read_hovernet,
    "conic": read_conic,
}
OPTIONAL = {"spatialdata": "zarr", "ome-zarr": "zarr", "h5ad": "h5py"}
AGGREGATED = {"overlay", "summary", "report"}

every_format = pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name in OPTIONAL and find_spec(OPTIONAL[name]) is None,
                reason=f"{name} needs {OPTIONAL.get(name)}",
            ),
        )
        for name in WRITERS
    ],
)


def files(folder):
    """Names and bytes of everything in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def content(path):
    """What a file holds, for the containers whose bytes tell how it was written."""
    if path.suffix == ".db":
        with closing(sqlite3.connect(path)) as connection:
            tables = ("metadata", "annotations", "rtree")
            return [connection.execute(f"SELECT * FROM {t}").fetchall() for t in tables]
    if path.suffix == ".h5ad":
        import h5py

        with h5py.File(path) as file:
            found = {}
            file.visititems(
                lambda name, item: found.setdefault(
                    name, str(item[()]) if isinstance(item, h5py.Dataset) else None
                )
            )
            return found
    return path.read_bytes() if path.is_file() else files(path)


def test_every_format_has_a_reader():
    assert set(READERS) == set(WRITERS)


def path_of(folder, name):
    return folder / f"slide{WRITERS[name].suffix}"


def export(folder, name, context, *blocks, stream=()):
    with WRITERS[name](path_of(folder, name), context) as writer:
        for block in blocks or stream:
            writer.write(block)
    return path_of(folder, name)


def halves(nuclei):
    rows = np.arange(len(nuclei))
    return [nuclei.take(rows[: len(rows) // 3]), nuclei.take(rows[len(rows) // 3 :])]


@every_format
def test_round_trip_of_ids_and_classes(tmp_path, name, nuclei, context):
    found = READERS[name](export(tmp_path, name, context, nuclei))
    if name not in AGGREGATED:
        assert found == dict(zip(nuclei.id.tolist(), nuclei.class_names().tolist(), strict=True))
    elif name != "overlay":
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


@every_format
def test_existing_output_is_refused_without_overwrite(tmp_path, name, nuclei, context):
    path = export(tmp_path, name, context, nuclei)
    before = content(path)
    with pytest.raises(KaryoscopeError, match="--overwrite"):
        open_writers(tmp_path, "slide", [name], context)
    assert content(path) == before
    with open_writers(tmp_path, "slide", [name], context, overwrite=True) as writers:
        writers.write(nuclei.take([0, 1, 2]))
    assert content(path) != before


@every_format
def test_a_folder_that_cannot_be_written(tmp_path, name, context):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(KaryoscopeError, match=r"cannot write .*--out") as info:
        open_writers(tmp_path / "file" / "out", "slide", [name], context)
    assert "\n" not in str(info.value)
    with pytest.raises(KaryoscopeError, match=r"cannot write .*--out"):
        WRITERS[name](tmp_path / "absent" / f"slide{WRITERS[name].suffix}", context)


@contextmanager
def files_of_at_most(size):
    """Let every write beyond this size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@every_format
def test_a_full_disk_is_one_line_and_no_file(tmp_path, name, context):
    nuclei = make_nuclei(300)
    export(tmp_path, name, context, nuclei)  # compiled code is cached outside the limit
    full = tmp_path / "full"
    full.mkdir()
    with files_of_at_most(600), pytest.raises(KaryoscopeError, match="cannot write") as info:
        export(full, name, context, nuclei)
    assert "\n" not in str(info.value)
    assert list(full.iterdir()) == []


@every_format
def test_leftovers_of_a_killed_run_are_replaced(tmp_path, name, nuclei, context):
    expected = READERS[name](export(tmp_path, name, context, nuclei))
    first = WRITERS[name](path_of(tmp_path, name), context)
    first.write(nuclei.take([0]))
    # Never closed, as if killed.
    assert READERS[name](export(tmp_path, name, context, nuclei)) == expected
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def peak_memory(folder, name, context, count):
    """Most bytes held at once while so many blocks of 300 nuclei are written."""
    folder.mkdir()
    block = make_nuclei(300)
    arrow = pa.default_memory_pool()
    gc.collect()  # what other tests left behind must not count
    before = arrow.bytes_allocated()
    most = 0
    tracemalloc.start()
    with WRITERS[name](path_of(folder, name), context) as writer:
        for i in range(count):
            writer.write(block.shift(0, 400 * i).renumber(1 + 300 * i))
            most = max(most, arrow.bytes_allocated() - before)
    most += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


@pytest.mark.slow
@every_format
def test_memory_does_not_grow_with_the_number_of_nuclei(tmp_path, name, context, monkeypatch):
    # Rows wait for others until a group is complete; small groups are complete early.
    monkeypatch.setattr(parquet, "_ROW_GROUP", 1000)
    monkeypatch.setattr(_anndata, "_ROWS", 1000)
    export(tmp_path, name, context, make_nuclei(300))  # imports and compiles
    context = replace(context, size=(600, 40_000))
    few = peak_memory(tmp_path / "few", name, context, 5)
    # The 95 further blocks would be 5 MB.
    assert peak_memory(tmp_path / "many", name, context, 100) < few + 2.5e6


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_missing_library_names_the_extra(tmp_path, name, context, monkeypatch):
    monkeypatch.setitem(sys.modules, OPTIONAL[name], None)
    with pytest.raises(KaryoscopeError, match=r"needs \w+: run `pip install 'karyoscope\[\w+\]'`"):
        open_writers(tmp_path, "slide", ["csv", name], context)
    assert list(tmp_path.iterdir()) == []


@every_format
def test_an_outline_of_two_vertices_is_refused(tmp_path, name, nuclei, context):
    vertices, offsets = nuclei.vertices[:2], np.array([0, 2])
    single = replace(nuclei.take([0]), vertices=vertices, offsets=offsets)
    with pytest.raises(ValueError, match="too few vertices"):
        export(tmp_path, name, context, single)
    assert list(tmp_path.iterdir()) == []
