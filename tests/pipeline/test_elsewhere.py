"""Slides and results elsewhere, against servers of this machine."""

import functools
import json
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from drawn import annotation, square, write
from PIL import Image

pytest.importorskip("fsspec", reason="storage elsewhere is of the extra `remote`")

from karyoscope.core import remote_cache
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.remote_cache import fetch, place_of, release
from karyoscope.pipeline import BatchListener, SegmentOptions, segment_slides


class Quiet(SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KARYOSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote_cache, "in_use", set())
    return tmp_path / "cache"


@pytest.fixture
def web(tmp_path, tissue):
    """Address of a folder with two slides, annotations of one, and a sample sheet."""
    pytest.importorskip("aiohttp", reason="https:// is of the extra `remote`")
    folder = tmp_path / "web"
    folder.mkdir()
    for name in "ab":
        Image.fromarray(tissue[:200, 300:600]).save(folder / f"{name}.png")
    write(folder / "a.geojson", annotation(square(0, 0, 150, 200), "left"))
    (folder / "samples.csv").write_text("path,mpp,annotations,group\na.png,0.5,a.geojson,x\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Quiet.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


OPTIONS = SegmentOptions(("csv", "parquet"), mpp=0.5)


def bytes_of(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".csv", ".parquet")}


def test_a_slide_of_a_web_server_gives_what_the_file_gives(web, threshold_model, tmp_path):
    there = segment_slides(f"{web}/a.png", tmp_path / "there", threshold_model, OPTIONS)
    here = segment_slides(tmp_path / "web" / "a.png", tmp_path / "here", threshold_model, OPTIONS)
    assert (there.failed, here.failed) == (0, 0)
    first, second = bytes_of(tmp_path / "there"), bytes_of(tmp_path / "here")
    assert first.keys() == second.keys()
    assert first["a.csv"] == second["a.csv"]
    again = segment_slides(f"{web}/a.png", tmp_path / "there", threshold_model, OPTIONS)
    assert [slide.status for slide in again.slides] == ["unchanged"]
    assert Quiet.asked.count("/a.png") == 1, "fetched once"


def test_a_sheet_of_a_web_server_names_what_lies_beside_it(web, threshold_model, tmp_path):
    out = tmp_path / "out"
    result = segment_slides(f"{web}/samples.csv", out, threshold_model, SegmentOptions(("csv",)))
    assert result.failed == 0
    assert result.slides[0].summary["regions"][0]["region"] == "left"
    assert "a.regions.csv" in {p.name for p in out.iterdir()}


def test_what_is_not_there_is_one_line_and_the_others_go_on(web, threshold_model, tmp_path):
    given = [f"{web}/lost.png", f"{web}/b.png", "http://127.0.0.1:1/c.png", f"{web}/d.mrxs"]
    result = segment_slides(given, tmp_path / "out", threshold_model, OPTIONS)
    assert result.failed == 3
    errors = {s.path.name: s.error for s in result.slides}
    assert errors["b.png"] == ""
    assert errors["lost.png"] == f"{web}/lost.png does not exist"
    assert "cannot be read" in errors["c.png"]
    assert result.problems == [
        f"{web}/d.mrxs: a slide of several files cannot be fetched; copy it to this machine"
    ]
    assert all("\n" not in line for line in errors.values())


def test_what_was_used_longest_ago_makes_room(web, cache, tmp_path, monkeypatch):
    first = fetch(f"{web}/a.png")
    release(first)
    note = first.parent / "remote.json"
    os.utime(note, (1e9, 1e9))
    size = first.stat().st_size
    monkeypatch.setenv("KARYOSCOPE_REMOTE_GB", str(1.5 * size / 1e9))
    second = fetch(f"{web}/b.png")
    assert second.exists()
    assert not first.exists()
    monkeypatch.setenv("KARYOSCOPE_REMOTE_GB", str(0.5 * size / 1e9))
    with pytest.raises(KaryoscopeError, match="raise KARYOSCOPE_REMOTE_GB"):
        fetch(f"{web}/a.png")
    assert not list(cache.rglob("*.partial"))
    monkeypatch.setenv("KARYOSCOPE_REMOTE_GB", "much")
    with pytest.raises(KaryoscopeError, match="not 'much'"):
        fetch(f"{web}/a.png")


def test_a_file_that_changed_is_fetched_again(web, tmp_path):
    first = fetch(f"{web}/samples.csv").read_text("utf-8")
    (tmp_path / "web" / "samples.csv").write_text("path\nanother, longer one\n")
    assert fetch(f"{web}/samples.csv").read_text("utf-8") != first


def test_web_servers_take_no_results(web, threshold_model, tmp_path):
    with pytest.raises(KaryoscopeError, match="no results can be written there"):
        segment_slides(tmp_path / "web" / "a.png", f"{web}/out", threshold_model, OPTIONS)


def test_places_on_this_machine_do_not_collide(cache):
    first, second = place_of("s3://one/a.svs"), place_of("s3://two/a.svs")
    assert first != second
    assert first.name == second.name == "a.svs"
    assert cache in first.parents


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """A bucket of an S3 server of this machine."""
    pytest.importorskip("s3fs", reason="s3:// is of the extra `remote`")
    server_of = pytest.importorskip("moto.server", reason="the server is of the extra `dev`")
    import s3fs

    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    # All servers of a process share what they hold.
    if system.exists("cohort"):
        system.rm("cohort", recursive=True)
    system.mkdir("cohort")
    yield system
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


class Lines(BatchListener):
    def __init__(self):
        self.lines = []

    def problem(self, line):
        self.lines.append(line)


@pytest.mark.slow
def test_a_bucket_in_and_a_bucket_out(bucket, threshold_model, tissue, tmp_path, cache):
    for k, name in enumerate("ab"):
        Image.fromarray(tissue[:200, 300 + k : 600]).save(tmp_path / f"{name}.png")
        bucket.put_file(str(tmp_path / f"{name}.png"), f"cohort/in/{name}.png")
    out = "s3://cohort/out"
    result = segment_slides("s3://cohort/in/*.png", out, threshold_model, OPTIONS)
    assert [s.status for s in result.slides] == ["done", "done"]
    names = {path.rpartition("/")[2] for path in bucket.ls("cohort/out")}
    assert {"a.csv", "a.parquet", "a.summary.json", "b.csv", "cohort.csv", "cohort.nuclei"} <= names
    summary = json.loads(bucket.cat_file("cohort/out/a.summary.json"))
    assert len(bucket.cat_file("cohort/out/a.csv")) == summary["files"]["a.csv"]["bytes"]
    assert bucket.exists("cohort/out/cohort.nuclei/b.parquet")
    # A machine that has none of it knows what is done, and adds to the table.
    for place in cache.iterdir():
        place.rename(tmp_path / f"gone {place.name}")
    Image.fromarray(tissue[:200, 310:600]).save(tmp_path / "c.png")
    given = ["s3://cohort/in/", tmp_path / "c.png"]
    result = segment_slides(given, out, threshold_model, OPTIONS)
    assert {s.path.name: s.status for s in result.slides} == {
        "a.png": "unchanged",
        "b.png": "unchanged",
        "c.png": "done",
    }
    table = bucket.cat_file("cohort/out/cohort.csv").decode()
    assert [line.split(",")[0] for line in table.splitlines()[1:]] == ["a.png", "b.png", "c.png"]


@pytest.mark.slow
def test_a_bucket_that_is_not_there(bucket, threshold_model, tissue, tmp_path):
    Image.fromarray(tissue[:200, 300:600]).save(tmp_path / "a.png")
    lines = Lines()
    result = segment_slides("s3://no-bucket/*.png", tmp_path, threshold_model, OPTIONS, None, lines)
    assert result.failed == 1
    assert len(lines.lines) == 1
    result = segment_slides("s3://cohort/none.png", tmp_path, threshold_model, OPTIONS)
    assert result.slides[0].error == "s3://cohort/none.png does not exist"
