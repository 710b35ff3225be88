"""Compiled functions keep their cache where they may."""

from __future__ import annotations

import os
import subprocess
import sys

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
from karyoscope.core.kernels import find_root
import numpy as np
print(find_root(np.array([0, 0, 1]), 2), sum(find_root.stats.cache_misses.values()))
"""


def run_where_nothing_is_writable(temporary) -> tuple[int, int]:
    """The root that a new process finds, and how many of its functions it looked up in vain."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(temporary)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    root, misses = map(int, done.stdout.split())
    return root, misses


def test_the_root_of_a_forest():
    parent = np.array([0, 0, 1, 2, 4])
    assert [kernels.find_root(parent, node) for node in range(5)] == [0, 0, 0, 0, 4]


def test_a_cache_that_cannot_be_written_goes_to_the_temporary_folder(tmp_path):
    assert run_where_nothing_is_writable(tmp_path) == (0, 1)
    assert list(tmp_path.rglob("*.nbi"))
    assert run_where_nothing_is_writable(tmp_path) == (0, 0)


def test_without_a_temporary_folder_nothing_is_kept(tmp_path):
    missing = tmp_path / "missing"
    # The second process compiles again.
    assert [run_where_nothing_is_writable(missing) for _ in range(2)] == [(0, 1), (0, 1)]
    assert not missing.exists()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners of files are those of POSIX")
def test_a_folder_that_others_can_write_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = kernels._own_folder()
    assert folder is not None
    folder.chmod(0o777)
    assert kernels._own_folder() is None
