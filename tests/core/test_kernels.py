"""Compiled functions keep their cache where they may."""

from __future__ import annotations

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from karyoscope.core import kernels

READ_ONLY = """
import numba.core.caching as caching
import tempfile, sys
tempfile.tempdir = sys.argv[1]
nowhere = classmethod(lambda *_: None)
for locator in ("InTreeCacheLocator", "UserWideCacheLocator"):
    # Their names began with an underscore up to numba 0.61.
    kind = getattr(caching, locator, None) or getattr(caching, "_" + locator)
    kind.from_function = nowhere
from karyoscope.core.kernels import keeps_compiled
from karyoscope.core.raster import fill_together, fill_polygon
import numpy as np
square = np.array([[0, 0], [0, 2], [2, 2], [2, 0]], np.float64)
found = fill_polygon(square, np.array([0, 4]), 0, 0, 3, 3)
print(found.sum(), sum(fill_together.stats.cache_misses.values()), int(keeps_compiled()))
"""


def run_where_nothing_is_writable(temporary) -> tuple[int, ...]:
    """Pixels that a new process fills, functions it looked up in vain, whether it keeps them."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(temporary)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return tuple(map(int, done.stdout.split()))


def test_the_root_of_a_forest():
    parent = np.array([0, 0, 1, 2, 4])
    assert [kernels.find_root(parent, node) for node in range(5)] == [0, 0, 0, 0, 4]


def test_a_part_is_compiled_into_the_loop_that_calls_it():
    @kernels.part
    def half(value):
        return value // 2

    @numba.njit
    def halves(values):
        for i in range(len(values)):
            values[i] = half(values[i])

    values = np.array([4, 7, -3])
    halves(values)
    assert values.tolist() == [2, 3, -2]
    assert half(7) == 3
    (compiled,) = half.overloads.values()
    assert not compiled.library.get_pointer_to_function(compiled.fndesc.llvm_cpython_wrapper_name)


def test_a_cache_that_cannot_be_written_goes_to_the_temporary_folder(tmp_path):
    assert run_where_nothing_is_writable(tmp_path) == (4, 1, 1)
    assert list(tmp_path.rglob("*.nbi"))
    assert run_where_nothing_is_writable(tmp_path) == (4, 0, 1)


def test_without_a_temporary_folder_nothing_is_kept(tmp_path):
    missing = tmp_path / "missing"
    # The second process compiles again.
    assert [run_where_nothing_is_writable(missing) for _ in range(2)] == [(4, 1, 0), (4, 1, 0)]
    assert not missing.exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners of files are those of POSIX")
def test_a_folder_that_others_can_write_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = kernels.own_folder()
    assert folder is not None
    folder.chmod(0o777)
    assert kernels.own_folder() is None
