"""What every registered format does when its file cannot be written, and its use of memory."""

import gc
import os
import resource
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from format_files import OPTIONAL, content, every_format, export, path_of
from some_nuclei import make_nuclei

from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import WRITERS, open_writers
from karyoscope.formats.scverse import anndata as layout
from karyoscope.formats.tables import parquet


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
    with pytest.raises(KaryoscopeError, match=r"cannot write .*; choose another folder") as info:
        open_writers(tmp_path / "file" / "out", "slide", [name], context)
    assert "\n" not in str(info.value)
    with pytest.raises(KaryoscopeError, match=r"cannot write .*; choose another folder"):
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


def ended_process() -> int:
    """Number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


@every_format
def test_leftovers_of_a_killed_run_are_replaced(tmp_path, name, nuclei, context):
    expected = content(export(tmp_path, name, context, nuclei))
    first = WRITERS[name](path_of(tmp_path, name), context)
    first.write(nuclei.take([0]))
    # Never closed, and of a process that has ended, as if killed.
    for left in tmp_path.glob(".*.partial"):
        left.rename(left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{ended_process()}-")))
    assert content(export(tmp_path, name, context, nuclei)) == expected
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
    monkeypatch.setattr(parquet, "ROW_GROUP", 1000)
    monkeypatch.setattr(layout, "ROWS", 1000)
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


@pytest.mark.parametrize("name", [name for name, writer in WRITERS.items() if writer.needs])
def test_a_missing_package_is_named_before_anything_is_written(
    tmp_path, name, context, monkeypatch
):
    monkeypatch.setattr("karyoscope.core.optional.installed", lambda *names: False)
    extra, package = WRITERS[name].needs
    with pytest.raises(KaryoscopeError) as raised:
        open_writers(tmp_path / "out", "slide", ["csv", name], context)
    said = f"format {name!r} needs {package}: run `pip install 'karyoscope[{extra}]'`"
    assert str(raised.value) == said
    assert not (tmp_path / "out").exists()
