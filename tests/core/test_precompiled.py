"""Loops that a wheel brings compiled are used where they fit, and nowhere else."""

from __future__ import annotations

import importlib.util
import sys
import zipfile

import numpy as np
import pytest

from karyoscope.core import kernels, precompiled

SOURCE = """
from karyoscope.core.kernels import njit

@njit
def total(values):
    result = {start}
    for value in values:
        result += value
    return result
"""
VALUES = np.arange(5)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder with a module of one loop, and an archive of that loop; caches are elsewhere."""
    if not precompiled.fits():
        pytest.skip("this CPU lacks the instructions that archives are made for")
    caches = tmp_path / "caches"
    monkeypatch.setattr(kernels.numba.config, "CACHE_DIR", str(caches / "first"))
    root = tmp_path / "package"
    root.mkdir()
    (root / "loops.py").write_text(SOURCE.format(start=0))
    with precompiled.collecting() as compiled:
        assert loaded(root).total(VALUES) == 10
    assert len(compiled) == 1
    archive = precompiled.write_archive(root / "compiled", compiled, [root / "loops.py"], root)
    monkeypatch.setattr(kernels.numba.config, "CACHE_DIR", str(caches / "second"))
    monkeypatch.setattr(precompiled, "FOLDER", archive.parent)
    monkeypatch.setattr(precompiled, "open_archive", opener(root))
    return archive


def opener(root):
    """Open archives anew each time, and compare with the sources in a folder."""
    return lambda folder: precompiled_open(folder, root)


precompiled_open = precompiled.open_archive.__wrapped__


def loaded(root):
    """The module of a folder, executed anew."""
    spec = importlib.util.spec_from_file_location("loops", root / "loops.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiles(root, values=VALUES) -> tuple[bool, int]:
    """Whether the loop is compiled when it is called, and its result."""
    said = []
    with kernels.when_compiling(lambda: said.append(True)):
        result = loaded(root).total(values)
    return bool(said), int(result)


def test_an_archive_saves_compiling(package):
    root = package.parents[1]
    assert compiles(root) == (False, 10)
    assert compiles(root, VALUES.astype(np.float32)) == (True, 10)  # other types


def test_another_source_is_compiled(package):
    root = package.parents[1]
    # Of another length: Python takes a module of the same length and second for the same.
    (root / "loops.py").write_text(SOURCE.format(start=10))
    assert compiles(root) == (True, 20)


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_without_a_whole_archive_loops_are_compiled(package, content):
    if content is None:
        package.unlink()
    else:
        package.write_bytes(content)
    assert compiles(package.parents[1]) == (True, 10)


def test_a_damaged_archive_is_not_used(package):
    """Whatever byte is damaged, the result is the same."""
    whole = package.read_bytes()
    for at in range(40, len(whole), max(1, len(whole) // 12)):
        package.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        assert compiles(package.parents[1])[1] == 10


def test_code_with_instructions_that_the_user_excludes_is_not_used(package, monkeypatch):
    monkeypatch.setattr(kernels.numba.config, "ENABLE_AVX", 0)
    assert compiles(package.parents[1])[0]


def test_code_for_a_cpu_with_more_instructions_is_not_used(package, monkeypatch):
    monkeypatch.setattr(precompiled, "CPUS", {precompiled.machine(): ("any", ("missing",))})
    assert compiles(package.parents[1]) == (True, 10)


def test_a_user_who_chooses_a_cpu_gets_code_for_it(package, monkeypatch):
    monkeypatch.setattr(kernels.numba.config, "CPU_NAME", "generic")
    assert compiles(package.parents[1])[0]


def test_an_archive_is_of_one_numba_and_python(package, monkeypatch):
    name = precompiled.archive_name()
    assert package.name == name
    assert sys.implementation.cache_tag in name
    monkeypatch.setattr(precompiled.numba, "__version__", "0.0")
    assert precompiled.archive_name() != name


def test_an_archive_is_used_where_no_cache_can_be_written(package, monkeypatch):
    monkeypatch.setattr(kernels, "cache_of", lambda function: None)
    monkeypatch.setattr(kernels, "not_kept", [])
    assert compiles(package.parents[1]) == (False, 10)
    assert not kernels.keeps_compiled()


def test_the_same_loops_make_the_same_archive(package, tmp_path):
    with zipfile.ZipFile(package) as archive:
        compiled = {name: archive.read(name) for name in archive.namelist()}
    compiled.pop("sources.json")
    root = package.parents[1]
    again = precompiled.write_archive(tmp_path / "again", compiled, [root / "loops.py"], root)
    assert again.read_bytes() == package.read_bytes()
