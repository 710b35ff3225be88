"""Several outputs of one slide: all appear, or none."""

import json
from dataclasses import replace

import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.export import WRITERS, RunReport, open_writers
from karyoscope.export.parquet import ParquetWriter

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
        "slide.overlay.png",
        "slide.summary.json",
    }
    assert {p.name for p in writers.paths} == {p.name for p in writers.paths if p.exists()}
    summary = json.loads((tmp_path / "new" / "out" / "slide.summary.json").read_text())
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


def test_a_failing_format_takes_the_others_with_it(tmp_path, nuclei, context, monkeypatch):
    def fail(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ParquetWriter, "_finish", fail)
    with (
        pytest.raises(KaryoscopeError, match="No space left on device; free space"),
        open_writers(tmp_path, "slide", FORMATS, context) as writers,
    ):
        writers.write(nuclei)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_block_takes_all_with_it(tmp_path, nuclei, context):
    writers = open_writers(tmp_path, "slide", FORMATS, context)
    writers.write(nuclei)
    with pytest.raises(ValueError, match="columns"):
        writers.write(replace(nuclei, measurements={}))
    assert list(tmp_path.iterdir()) == []


def test_repeated_formats_are_written_once(tmp_path, nuclei, context):
    with open_writers(tmp_path, "slide", ["csv", "csv", "summary"], context) as writers:
        writers.write(nuclei)
    assert len(list(tmp_path.iterdir())) == 2


def test_suffixes_are_distinct():
    suffixes = [s for w in WRITERS.values() for s in (w.suffix, *w.companions)]
    assert len(set(suffixes)) == len(suffixes)
    assert all(name == writer.name for name, writer in WRITERS.items())
