"""What every registered format must do; a new format adds a reader to ``READERS`` and no test."""

import gzip
import json
import resource
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import tifffile
from some_nuclei import make_nuclei

from karyoscope.errors import KaryoscopeError
from karyoscope.export import WRITERS, open_writers
from karyoscope.nuclei import Nuclei


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


READERS = {
    "geojson": read_geojson,
    "geojson.gz": read_geojson_gz,
    "parquet": read_parquet_table,
    "csv": read_csv,
    "labels": read_labels,
    "overlay": read_overlay,
    "summary": read_summary,
}
AGGREGATED = {"overlay", "summary"}

every_format = pytest.mark.parametrize("name", WRITERS)


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
    elif name == "summary":
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
    assert one.read_bytes() == many.read_bytes()


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
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    writer = WRITERS[name](path, context)
    if when != "opened":
        writer.write(nuclei.take([0]))
    if when == "finished":
        writer.finish()
    writer.abort()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


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
    before = path.read_bytes()
    with pytest.raises(KaryoscopeError, match="--overwrite"):
        open_writers(tmp_path, "slide", [name], context)
    assert path.read_bytes() == before
    with open_writers(tmp_path, "slide", [name], context, overwrite=True) as writers:
        writers.write(nuclei.take([0, 1, 2]))
    assert path.read_bytes() != before


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
    for path in list(tmp_path.iterdir()):
        path.unlink()
    with files_of_at_most(600), pytest.raises(KaryoscopeError, match="cannot write") as info:
        export(tmp_path, name, context, nuclei)
    assert "\n" not in str(info.value)
    assert list(tmp_path.iterdir()) == []


@every_format
def test_leftovers_of_a_killed_run_are_replaced(tmp_path, name, nuclei, context):
    expected = READERS[name](export(tmp_path, name, context, nuclei))
    first = WRITERS[name](path_of(tmp_path, name), context)
    first.write(nuclei.take([0]))
    # Never closed, as if killed.
    assert READERS[name](export(tmp_path, name, context, nuclei)) == expected
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@every_format
def test_an_outline_of_two_vertices_is_refused(tmp_path, name, nuclei, context):
    vertices, offsets = nuclei.vertices[:2], np.array([0, 2])
    single = replace(nuclei.take([0]), vertices=vertices, offsets=offsets)
    with pytest.raises(ValueError, match="too few vertices"):
        export(tmp_path, name, context, single)
    assert list(tmp_path.iterdir()) == []
