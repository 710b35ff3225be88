"""Several outputs of one slide: all appear, or none."""

import json
import threading
from dataclasses import replace

import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import WRITERS, RunReport, format_rows, open_writers
from karyoscope.formats.tables.parquet import ParquetWriter

FORMATS = ["geojson", "parquet", "csv", "labels", "overlay"]


def test_all_outputs_of_a_slide(tmp_path, nuclei, context):
    with open_writers(tmp_path / "new" / "out", "slide", FORMATS, context) as writers:
        writers.write(nuclei)
        writers.report(RunReport(seconds={"reading": 1.0}))
    assert {p.name for p in (tmp_path / "new" / "out").iterdir()} == {
        "slide.geojson",
        "slide.parquet",
        "slide.csv",
        "slide.labels.tif",
        "slide.labels.csv",
        "slide.overlay.jpg",
        "slide.summary.json",
    }
    assert {p.name for p in writers.paths} == {p.name for p in writers.paths if p.exists()}
    summary = json.loads((tmp_path / "new" / "out" / "slide.summary.json").read_text("utf-8"))
    assert summary["nuclei"] == len(nuclei)
    assert summary["seconds"] == {"reading": 1.0}


def test_an_unknown_format_names_the_known(tmp_path, context):
    with pytest.raises(KaryoscopeError, match=r"no format 'xml'; there are annotationstore, "):
        open_writers(tmp_path, "slide", ["geojson", "xml"], context)
    assert list(tmp_path.iterdir()) == []


def test_one_existing_output_refuses_all(tmp_path, nuclei, context):
    (tmp_path / "slide.labels.csv").write_text("mine")
    with pytest.raises(KaryoscopeError, match=r"slide\.labels\.csv exists; use --overwrite"):
        open_writers(tmp_path, "slide", FORMATS, context)
    assert [p.name for p in tmp_path.iterdir()] == ["slide.labels.csv"]


@pytest.mark.parametrize("threads", [0, 3])
def test_a_failing_format_takes_the_others_with_it(tmp_path, nuclei, context, monkeypatch, threads):
    def fail(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ParquetWriter, "_finish", fail)
    with (
        pytest.raises(KaryoscopeError, match="No space left on device; free space"),
        open_writers(tmp_path, "slide", FORMATS, context, threads=threads) as writers,
    ):
        writers.write(nuclei)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("threads", [0, 3])
def test_a_failing_block_takes_all_with_it(tmp_path, nuclei, context, threads):
    before = threading.active_count()
    writers = open_writers(tmp_path, "slide", FORMATS, context, threads=threads)
    writers.write(nuclei)
    with pytest.raises(ValueError, match="columns"):
        writers.write(replace(nuclei, measurements={}))
    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before


def test_threads_write_the_same_files(tmp_path, nuclei, context):
    for threads in (0, 4):
        folder = tmp_path / str(threads)
        with open_writers(folder, "slide", FORMATS, context, threads=threads) as writers:
            for half in (nuclei.take([0, 1]), nuclei.take(range(2, len(nuclei)))):
                writers.write(half)
            writers.report(RunReport(analysed_mm2=1.0))
    names = sorted(path.name for path in (tmp_path / "0").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "4").iterdir())
    for name in names:
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "4" / name).read_bytes(), name


def test_repeated_formats_are_written_once(tmp_path, nuclei, context):
    with open_writers(tmp_path, "slide", ["csv", "csv", "summary"], context) as writers:
        writers.write(nuclei)
    assert len(list(tmp_path.iterdir())) == 2


def test_suffixes_are_distinct():
    mains = [writer.suffix for writer in WRITERS.values()]
    companions = {suffix for writer in WRITERS.values() for suffix in writer.companions}
    assert len(set(mains)) == len(mains)
    assert not companions & set(mains)
    assert all(name == writer.name for name, writer in WRITERS.items())


def test_label_images_of_two_formats_share_one_table_of_ids(tmp_path, nuclei, context):
    pytest.importorskip("zarr")
    for formats in (["ome-zarr"], ["labels"], ["labels", "ome-zarr"]):
        folder = tmp_path / "-".join(formats)
        with open_writers(folder, "slide", formats, context) as writers:
            writers.write(nuclei)
        assert [path.name for path in writers.paths].count("slide.labels.csv") == 1
    one, two, both = (
        path.read_text("utf-8") for path in sorted(tmp_path.glob("*/slide.labels.csv"))
    )
    assert one == two == both
    header, first, *_ = one.splitlines()
    assert header == "id,class,color"
    kind = nuclei.taxonomy.by_id(int(nuclei.class_id[0]))
    color = "#" + "".join(f"{part:02x}" for part in kind.color)
    assert first == f"{nuclei.id[0]},{kind.name},{color}"


def test_every_format_says_what_it_is():
    rows = {row["name"]: row for row in format_rows(["csv"])}
    assert list(rows) == list(WRITERS)
    assert all(row["about"] and row["opens_in"] for row in rows.values())
    assert [name for name, row in rows.items() if row["default"]] == ["csv"]
    assert rows["labels"]["files"] == [".labels.tif", ".labels.csv"]
    assert rows["h5ad"]["extra"] == "spatial"
    assert rows["csv"]["installed"] is True
