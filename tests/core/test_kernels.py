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
for locator in ("InTreeCacheLocator", "UserWideCacheLocator"):
    setattr(getattr(caching, locator), "from_function", classmethod(lambda *_: None))
from karyoscope.core.kernels import find_root
import numpy as np
assert find_root(np.array([0, 0, 1]), 2) == 0
"""


def run_where_nothing_is_writable(temporary) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_ONLY, str(temporary)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_root_of_a_forest():
    parent = np.array([0, 0, 1, 2, 4])
    assert [kernels.find_root(parent, node) for node in range(5)] == [0, 0, 0, 0, 4]


def test_a_cache_that_cannot_be_written_goes_to_the_temporary_folder(tmp_path):
    run_where_nothing_is_writable(tmp_path)
    assert list(tmp_path.rglob("*.nbi"))


def test_without_a_temporary_folder_nothing_is_kept(tmp_path):
    run_where_nothing_is_writable(tmp_path / "missing")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners of files are those of POSIX")
def test_a_folder_that_others_can_write_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = kernels._own_folder()
    assert folder is not None
    folder.chmod(0o777)
    assert kernels._own_folder() is None
