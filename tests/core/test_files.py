"""Files appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import put_in_place, read_text, write_folder, write_text, writing

KILLED = """
import os, signal, sys
from karyoscope.core import files
files.put_in_place = lambda source, target: os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "file":
    files.write_text(sys.argv[1], "new")
else:
    files.write_folder(sys.argv[1], {"a": b"new"})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_kill_before_the_renaming_leaves_what_was_there(tmp_path, kind):
    target = tmp_path / "target"
    if kind == "file":
        write_text(target, "old")
    else:
        write_folder(target, {"a": b"old"})
    done = subprocess.run([sys.executable, "-c", KILLED, str(target), kind])
    assert done.returncode == -signal.SIGKILL
    assert (target if kind == "file" else target / "a").read_text("utf-8") == "old"
    assert all(p == target or p.name.startswith(".") for p in tmp_path.iterdir())


def write_half(target):
    with writing(target) as partial:
        partial.write_text("half")
        _ = 1 / 0


def test_an_error_leaves_nothing_but_what_was_there(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError):
        write_half(target)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert target.read_text("utf-8") == "old"


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    write_folder(tmp_path / "deep" / "a", {"one": b"1", "in/two": b"2"})
    write_folder(tmp_path / "deep" / "a", {"three": b"3"})
    assert [p.name for p in (tmp_path / "deep").rglob("*")] == ["a", "three"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    with writing(tmp_path / "a") as first, writing(tmp_path / "a") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text("utf-8") == "first"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        KaryoscopeError, match=r"^cannot write .*file/a: .*; choose another folder$"
    ):
        write_text(tmp_path / "file" / "a", "")


def test_what_is_renamed_has_been_synchronised(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(os, "fsync", lambda number: order.append("sync"))
    replace = type(tmp_path).replace
    monkeypatch.setattr(type(tmp_path), "replace", lambda *a: (order.append("rename"), replace(*a)))
    (tmp_path / "a").touch()
    put_in_place(tmp_path / "a", tmp_path / "b")
    assert order == ["sync", "rename"]


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x81"])
def test_text_that_is_none_is_one_line(tmp_path, data):
    (tmp_path / "card.md").write_bytes(data)
    with pytest.raises(KaryoscopeError, match=r"card\.md is not a readable text file"):
        read_text(tmp_path / "card.md")
    with pytest.raises(KaryoscopeError, match="cannot be read"):
        read_text(tmp_path / "none.md")


def test_text_is_read_without_its_byte_order_mark(tmp_path):
    (tmp_path / "names.txt").write_bytes("\ufeffa\nµ\n".encode())
    assert read_text(tmp_path / "names.txt") == "a\nµ\n"
