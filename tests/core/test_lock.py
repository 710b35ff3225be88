"""One writer at a time, and what a process that has ended leaves."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from karyoscope.core import files, lock
from karyoscope.core.files import partial_name, partials, remove_leftovers
from karyoscope.core.lock import Lock, LockedError, locked, locked_folder, locked_output
from karyoscope.core.process import machine, runs, started


def write(path, **changes):
    of = {"host": "h", "machine": machine(), "pid": os.getpid(), "token": "other"}
    path.write_text(json.dumps(of | {"started": started(os.getpid())} | changes))


def ended_process():
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid


def test_a_second_run_is_told_who_writes(tmp_path):
    with locked(tmp_path / "out" / ".lock", "a.svs"):
        with pytest.raises(LockedError, match=rf"a.svs: another run \(process {os.getpid()} on"):
            Lock(tmp_path / "out" / ".lock", "a.svs").acquire()
        assert [path.name for path in (tmp_path / "out").iterdir()] == [".lock"]
    assert list((tmp_path / "out").iterdir()) == []
    with locked(tmp_path / "out" / ".lock", "a.svs"):
        pass


@pytest.mark.parametrize(
    ("lock", "place"), [(locked_folder, "out/.lock"), (locked_output, ".out.lock")]
)
def test_an_output_is_locked_within_it_or_beside_it(tmp_path, lock, place, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with lock(tmp_path / "out"):
        assert (tmp_path / place).is_file()
        with pytest.raises(LockedError, match="out: another run"), lock(Path("out")):
            pass
    assert not (tmp_path / place).exists()


def test_one_of_many_threads_gets_it(tmp_path):
    held, refused, go = [], [], threading.Barrier(16)

    def work():
        go.wait()
        try:
            own = Lock(tmp_path / ".lock", "a.svs")
            own.acquire()
            held.append(own)
        except LockedError:
            refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert (len(held), len(refused)) == (1, 15)
    held[0].release()


def test_the_lock_of_a_process_that_has_ended_is_stale(tmp_path):
    path = tmp_path / ".lock"
    write(path, pid=ended_process())
    with locked(path, "a.svs") as held:
        held.check()


@pytest.mark.parametrize("with_lock", [False, True], ids=["before the link", "after the link"])
def test_what_a_run_killed_in_taking_the_lock_left_is_removed(tmp_path, with_lock):
    write(tmp_path / ".a.lock.0123", pid=ended_process(), token="0123")
    if with_lock:
        os.link(tmp_path / ".a.lock.0123", tmp_path / ".a.lock")
    (tmp_path / ".a.lock.probe").touch()
    old = (tmp_path / ".a.lock.probe").stat().st_mtime - lock.STALE_AFTER_S - 1
    os.utime(tmp_path / ".a.lock.probe", (old, old))
    with locked(tmp_path / ".a.lock", "a.svs"):
        assert [path.name for path in tmp_path.iterdir()] == [".a.lock"]
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_is_taking_the_lock_with_stays(tmp_path):
    write(tmp_path / ".a.lock.running")
    (tmp_path / ".a.lock.empty").touch()
    (tmp_path / ".a.lockfile.other").touch()
    with locked(tmp_path / ".a.lock", "a.svs"):
        pass
    left = {".a.lock.running", ".a.lock.empty", ".a.lockfile.other"}
    assert {path.name for path in tmp_path.iterdir()} == left


def test_a_number_that_another_process_has_now_is_stale(tmp_path):
    path = tmp_path / ".lock"
    write(path, started="1")
    if not started(os.getpid()):
        pytest.skip("this system does not tell when a process began")
    with locked(path, "a.svs") as held:
        held.check()
        assert json.loads(path.read_text("utf-8"))["started"] == started(os.getpid())


def test_another_machine_is_judged_by_its_heartbeat(tmp_path):
    path = tmp_path / ".lock"
    write(path, machine="00000000")
    with pytest.raises(LockedError):
        Lock(path, "a.svs").acquire()
    old = path.stat().st_mtime - lock.STALE_AFTER_S - 5
    os.utime(path, (old, old))
    with locked(path, "a.svs"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_held_lock_is_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    touched = threading.Event()
    monkeypatch.setattr(lock.os, "utime", lambda path: touched.set())
    with locked(tmp_path / ".lock", "a.svs"):
        assert touched.wait(30)


def test_a_lock_that_was_taken_over_is_noticed_and_left(tmp_path):
    path = tmp_path / ".lock"
    held = Lock(path, "a.svs")
    held.acquire()
    write(path)
    with pytest.raises(LockedError, match="another run has taken the output over"):
        held.check()
    held.release()
    assert path.exists()


def test_a_damaged_lock_is_not_taken_for_a_stale_one(tmp_path):
    (tmp_path / ".lock").write_text("{")
    with pytest.raises(LockedError, match="another machine"):
        Lock(tmp_path / ".lock", "a.svs").acquire()


def test_partial_names_are_of_one_owner(tmp_path):
    names = {partial_name(tmp_path / "a.csv") for _ in range(50)}
    assert len(names) == 50
    for path in (*list(names)[:2], tmp_path / ".a.csv.notes.partial", tmp_path / ".a.csv.gz.x"):
        path.touch()
    assert set(partials(tmp_path / "a.csv")) == set(list(names)[:2])


def test_only_what_ended_processes_left_is_removed(tmp_path):
    of = {
        "mine": f"{machine()}-{os.getpid()}",
        "ended": f"{machine()}-{ended_process()}",
        "elsewhere": "00000000-1",
        "elsewhere, long ago": "11111111-1",
    }
    paths = {who: tmp_path / f".a.csv.{owner}-00000000.partial" for who, owner in of.items()}
    for path in paths.values():
        path.touch()
    os.utime(paths["elsewhere, long ago"], (0, 0))
    remove_leftovers(tmp_path / "a.csv")
    assert {who for who, path in paths.items() if path.exists()} == {"mine", "elsewhere"}


def test_a_folder_that_was_moved_away_is_put_back(tmp_path):
    old = tmp_path / f".bundle.old.{machine()}-{ended_process()}-00000000.partial"
    old.mkdir()
    (old / "model.yaml").write_text("whole")
    remove_leftovers(tmp_path / "bundle")
    assert (tmp_path / "bundle" / "model.yaml").read_text("utf-8") == "whole"


def test_running_processes():
    assert runs(os.getpid())
    assert not runs(ended_process())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_and_long_files_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(files.KaryoscopeError, match="not a regular file"):
        files.read_bytes(tmp_path / "pipe", 10)
    (tmp_path / "long").write_bytes(bytes(11))
    with pytest.raises(files.KaryoscopeError, match="more than 10 bytes"):
        files.read_bytes(tmp_path / "long", 10)


def test_names_that_are_not_utf_8_are_written_out(tmp_path):
    files.write_text(tmp_path / "a.json", json.dumps("l\udce4in", ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_bytes()) == "l\udce4in"


def test_digests(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    size, digest = files.digest_of(tmp_path / "a")
    assert size == 3
    (tmp_path / "a" / "b").write_bytes(b"124")
    assert files.digest_of(tmp_path / "a") != (size, digest)


def test_a_file_that_was_killed_while_empty_is_swept_by_the_process_in_its_name(tmp_path):
    held, ended = Lock(tmp_path / ".lock", "a.csv"), ended_process()
    gone = tmp_path / f".lock.{machine()}-{ended}-0123456789abcdef"
    alive = tmp_path / f".lock.{machine()}-{os.getpid()}-0123456789abcdef"
    elsewhere = tmp_path / f".lock.{'0' * 8}-{ended}-0123456789abcdef"
    for path in (gone, alive, elsewhere):
        path.touch()
    held.acquire()
    held.release()
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, elsewhere.name}
