"""Packages that may be missing."""

from __future__ import annotations

import json
import sys

import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import installed, load, optional, require

ABSENT = "karyoscope_needs_no_such_package"


def test_what_is_there_is_imported():
    assert installed("json", "csv")
    assert optional("json") is json
    assert load("slides", "json", "this") is json
    require("slides", "json")


def test_what_is_missing_is_one_line():
    assert not installed("json", ABSENT)
    assert optional(ABSENT) is None
    with pytest.raises(KaryoscopeError, match=rf"^{ABSENT} not installed: run `pip install 'karyo"):
        require("train", "json", ABSENT)
    with pytest.raises(KaryoscopeError, match=rf"^this needs {ABSENT}: .*karyoscope\[slides\]'`$"):
        load("slides", ABSENT, "this")


def test_what_is_broken_is_one_line(tmp_path, monkeypatch):
    (tmp_path / f"{ABSENT}.py").write_text("raise ImportError('a library\\nis missing')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, ABSENT, raising=False)
    with pytest.raises(KaryoscopeError, match=r"cannot be imported: a library is missing$"):
        load("slides", ABSENT, "this")
    assert optional(ABSENT) is None
