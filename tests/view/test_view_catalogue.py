"""What is opened: results, slides, datasets, and what is said where something is missing."""

import json
import urllib.request

import numpy as np
import pytest
from made_nuclei import made_nuclei, write_results

from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import read_parquet
from karyoscope.view import (
    Workspace,
    open_paths,
    read_queue,
    serve_results,
    share_results,
    write_shared,
)
from karyoscope.view.agreement import compare
from karyoscope.view.table import NucleiTable

STEM = "CMU-1-Small-Region"


def test_a_slide_is_found_by_its_name_and_size(results, example_slide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_paths([results]).slides["s0"].path is None
    wrong = tmp_path / "slides"
    wrong.mkdir()
    (wrong / example_slide.name).write_bytes(b"another file of this name")
    summary = results / f"{STEM}.summary.json"
    data = json.loads(summary.read_text("utf-8"))
    data["run"] = {"slide": {"size": example_slide.stat().st_size}}
    summary.write_text(json.dumps(data))
    found = open_paths([results])
    assert found.slides["s0"].path is None
    assert "--slides" in found.slides["s0"].problem
    assert open_paths([results], [example_slide.parent]).slides["s0"].path == example_slide


def test_nuclei_are_shown_without_their_slide(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(open_paths([results]))
    info = workspace.slide_info("s0")
    assert (info["width"], info["height"], info["levels"]) == (2220, 2967, 0)
    assert "was not found" in info["problem"]
    assert workspace.result_info("r0")["nuclei"] == 600
    assert workspace.tissue("s0") is None


def test_a_slide_that_is_moved_away_and_a_damaged_table_are_told(results, example_slide, tmp_path):
    moved = tmp_path / "here" / example_slide.name
    moved.parent.mkdir()
    moved.write_bytes(example_slide.read_bytes())
    workspace = Workspace(open_paths([results], [moved]))
    moved.unlink()
    assert "no longer where it was" in workspace.slide_info("s0")["problem"]
    (results / f"{STEM}.parquet").write_bytes(b"PAR1 no more")
    catalogue = open_paths([results], [example_slide])
    assert "no table of nuclei" in catalogue.results["r0"].problem
    with pytest.raises(KaryoscopeError, match="no table of nuclei"):
        Workspace(catalogue).nuclei("r0")
    (results / f"{STEM}.parquet").unlink()
    assert "--format parquet" in open_paths([results]).results["r0"].problem


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_nothing_to_show_is_one_line(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(KaryoscopeError, match=r"does not exist|no slide"):
        open_paths([tmp_path / name])


def test_names_that_lead_elsewhere_are_not_followed(tmp_path, example_slide, nuclei):
    from karyoscope.view.catalogue import look_for

    for name in ("../secret.svs", "/etc/passwd", "a/b.svs", ""):
        assert look_for(name, [example_slide.parent], None) is None


def test_a_dataset_and_a_prediction_of_one_of_its_images(tmp_path, shared):
    root = shared / "data" / "consep"
    if not root.is_dir():
        pytest.skip("needs CoNSeP")
    catalogue = open_paths([root])
    workspace = Workspace(catalogue)
    key = next(iter(catalogue.results))
    info = workspace.result_info(key)
    assert info["nuclei"] > 100
    assert workspace.slide_info(catalogue.results[key].slide)["width"] == 1000


def test_a_folder_of_labelled_tiles(tmp_path):
    from pathlib import Path

    root = Path(__file__).parents[1] / "data" / "nucls_tiles"
    workspace = Workspace(open_paths([root]))
    for key, result in workspace.catalogue.results.items():
        table = workspace.nuclei(key).table
        assert len(table) > 0
        assert workspace.slide_info(result.slide)["levels"] >= 1
        assert set(np.unique(table.class_id)) <= {0, *table.context.taxonomy.ids}


def test_a_result_agrees_with_itself_and_pairs_do_not_depend_on_the_order(results):
    table = NucleiTable(results / f"{STEM}.parquet")
    same = compare(table, table).summary()
    assert same["counts"] == {"agrees": 600, "other class": 0, "extra": 0, "missed": 0}
    assert same["f1"] == same["class_accuracy"] == 1
    assert same["places"] == []


def test_differences_are_counted_as_they_were_made(tmp_path, example_slide):
    grid = np.stack(np.meshgrid(np.arange(60, 2100, 60), np.arange(60, 2900, 60)), -1).reshape(
        -1, 2
    )
    from dataclasses import replace

    truth = made_nuclei(len(grid))
    truth = replace(truth, x=grid[:, 0].astype(float), y=grid[:, 1].astype(float))
    ids = truth.taxonomy.ids
    truth = replace(truth, class_id=np.full(len(grid), ids[0], np.uint8))
    found = replace(truth, class_id=np.where(np.arange(len(grid)) < 30, ids[1], ids[0]))
    found = found.take(np.arange(len(grid)) < len(grid) - 20)
    extra = truth.take(np.arange(12)).renumber(900_000)
    extra = replace(extra, x=extra.x + 30)
    found = type(found).concat([found, extra])
    a = NucleiTable(write_results(tmp_path / "a", found, example_slide) / f"{STEM}.parquet")
    b = NucleiTable(write_results(tmp_path / "b", truth, example_slide) / f"{STEM}.parquet")
    summary = compare(a, b).summary()
    agrees = len(grid) - 50
    assert summary["counts"] == {"agrees": agrees, "other class": 30, "extra": 12, "missed": 20}
    back = compare(b, a).summary()["counts"]
    assert (back["extra"], back["missed"]) == (20, 12)
    assert sum(p["differences"] for p in summary["places"]) == 62
    assert summary["places"] == sorted(summary["places"], key=lambda p: -p["differences"])


def test_a_shared_folder_holds_what_the_server_answers(workspace, client, tmp_path):
    out = tmp_path / "shared"
    count = write_shared(workspace, out)
    files = [p for p in out.rglob("*") if p.is_file()]
    assert len(files) == count
    for path in sorted(out.rglob("*.arrow")) + sorted(out.rglob("*.bin"))[::7]:
        assert client.get(f"/{path.relative_to(out).as_posix()}").content == path.read_bytes()
    assert json.loads((out / "data" / "catalogue.json").read_text("utf-8"))["shared"] is True
    tiles = list((out / "data" / "slides" / "s0" / "tiles" / "0").iterdir())
    assert len(tiles) == 5 * 6
    with pytest.raises(KaryoscopeError, match="exists"):
        write_shared(workspace, out)
    assert write_shared(workspace, out, overwrite=True) == count
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(KaryoscopeError, match="not replaced"):
        write_shared(workspace, tmp_path / "mine", overwrite=True)


def test_results_by_path_are_shared_in_one_call(workspace, results, example_slide, tmp_path):
    count = write_shared(workspace, tmp_path / "one")
    sizes, names = [], []
    made = share_results(
        [results], tmp_path / "two", [example_slide], begin=sizes.append, watch=names.append
    )
    assert made == count == len(names)
    assert sizes == [count]
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            other = tmp_path / "two" / path.relative_to(tmp_path / "one")
            assert other.read_bytes() == path.read_bytes()


def test_results_by_path_are_served_in_one_call(results, example_slide, tmp_path):
    queue = tmp_path / "queue.csv"
    queue.write_text("x,y,width,height\n10,20,30,40\n")
    with serve_results([results], [example_slide], queue=queue) as server:
        cookies = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        cookies.open(server.link).read()
        listed = json.loads(cookies.open(f"{server.address}/data/catalogue.json").read())
    assert [entry["name"] for entry in listed["slides"]] == [example_slide.name]
    assert listed["queue"][0]["width"] == 30
    with pytest.raises(KaryoscopeError, match="needs edit"):
        serve_results([results], [example_slide], model="lizard")


def test_a_queue_names_places_of_open_slides(workspace, tmp_path):
    path = tmp_path / "queue.csv"
    path.write_text(f"slide,x,y,width,height,score\n{STEM},10,20,256,256,0.91\n")
    (place,) = read_queue(path, workspace.catalogue)
    assert place == {
        "slide": "s0",
        "x": 10,
        "y": 20,
        "width": 256,
        "height": 256,
        "note": "score 0.91",
    }
    for text in ("x,y\n1,2\n", "x,y,width,height\n1,2,3,nan\n", "x,y,width,height\n1,2,a,4\n"):
        path.write_text(text)
        with pytest.raises(KaryoscopeError, match="no list of places"):
            read_queue(path, workspace.catalogue)


def test_a_notebook_shows_the_page(nuclei, example_slide):
    import urllib.request

    shown = nuclei.take(np.arange(50)).view(example_slide)
    try:
        html = shown._repr_html_()
        assert html.startswith("<iframe")
        address, _, session = shown.address.partition("/#session=")
        request = urllib.request.Request(
            f"{address}/data/results/r0/info.json", headers={"authorization": f"Bearer {session}"}
        )
        with urllib.request.urlopen(request) as answer:
            assert json.load(answer)["nuclei"] == 50
    finally:
        shown.close()


def test_the_file_that_is_read_is_never_written(results, workspace):
    before = read_parquet(results / f"{STEM}.parquet").columns()
    workspace.nuclei("r0").table.preload()
    after = read_parquet(results / f"{STEM}.parquet").columns()
    assert all(np.array_equal(before[k], after[k], equal_nan=k == "eccentricity") for k in before)


def test_without_the_extra_the_command_is_one_line(monkeypatch, capsys, results):
    import importlib.util
    import sys

    from karyoscope.cli import main

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "starlette" else find(name)
    )
    monkeypatch.setattr(sys, "argv", ["karyoscope", "view", str(results)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install 'karyoscope[view]'" in line
