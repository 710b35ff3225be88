"""Corrections: what each does, what is refused, and that the journal loses none."""

import json
import threading

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import read_parquet
from karyoscope.view import Answers
from karyoscope.view.corrections import correct
from karyoscope.view.edited import EditedTable
from karyoscope.view.journal import Entry, Journal
from karyoscope.view.table import NucleiTable

STEM = "CMU-1-Small-Region"


@pytest.fixture
def edited(results):
    table = NucleiTable(results / f"{STEM}.parquet")
    return EditedTable(table, Journal(results / f"{STEM}.edits.jsonl"))


def again(edited):
    """The same result, opened anew, as after a restart or in another tab."""
    return EditedTable(edited.table, Journal(edited.journal.path))


def outline(x, y, radius=10):
    return [list(p) for p in shapely.Point(x, y).buffer(radius).exterior.coords[:-1]]


def test_each_correction_survives_and_the_result_stays_as_it_was(edited, results):
    before = (results / f"{STEM}.parquet").read_bytes()
    a, b, c = (int(i) for i in edited.table.id[:3])
    correct(edited, {"kind": "class", "ids": [a, b], "class": 4})
    correct(edited, {"kind": "delete", "ids": [c]})
    made = correct(edited, {"kind": "add", "outline": outline(500, 500), "class": 2}).add[0]["id"]
    for table in (edited, again(edited)):
        assert table.class_of(a) == table.class_of(b) == 4
        assert not table.exists(c)
        assert table.class_of(made) == 2
        assert made > edited.table.id.max()
        assert len(table) == len(edited.table)
    assert (results / f"{STEM}.parquet").read_bytes() == before
    assert len(read_parquet(results / f"{STEM}.parquet")) == len(edited.table)


def test_a_split_keeps_the_area_and_a_merge_takes_it_all(edited):
    nucleus = int(edited.table.id[10])
    whole = shapely.Polygon(edited.outline_of(nucleus))
    x, y = whole.centroid.x, whole.centroid.y
    class_id = edited.class_of(nucleus)
    # The line stops inside of the nucleus on both sides.
    entry = correct(edited, {"kind": "split", "ids": [nucleus], "line": [[x - 1, y], [x + 1, y]]})
    pieces = [shapely.Polygon(one["outline"]) for one in entry.add]
    assert len(pieces) == 2
    assert sum(p.area for p in pieces) == pytest.approx(whole.area, rel=0.02)
    assert {one["class"] for one in entry.add} == {class_id}
    ids = [one["id"] for one in entry.add]
    merged = correct(edited, {"kind": "merge", "ids": ids}).add[0]
    assert shapely.Polygon(merged["outline"]).area == pytest.approx(whole.area, rel=0.05)
    assert edited.exists(merged["id"])
    assert not any(map(edited.exists, [*ids, nucleus]))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"kind": "paint"}, "no correction 'paint'"),
        ({"kind": "class", "ids": [], "class": 1}, "select a nucleus"),
        ({"kind": "class", "ids": ["1"], "class": 1}, "whole numbers"),
        ({"kind": "class", "ids": [4000000000], "class": 1}, "no longer there"),
        ({"kind": "add", "outline": [[0, 0], [1, 1]], "class": 1}, "3 to"),
        ({"kind": "add", "outline": [[0, 0], [1, 1], [2, 2]], "class": 1}, "no area"),
        ({"kind": "add", "outline": [[0, 0], [9, 0], ["x", 2]], "class": 1}, "list of points"),
        ({"kind": "add", "outline": [[0, 0], [float("nan"), 0], [5, 9]], "class": 1}, "3 to"),
        ({"kind": "undo"}, "nothing to undo"),
    ],
)
def test_what_makes_no_sense_is_refused_and_not_written(edited, request_, why):
    with pytest.raises(KaryoscopeError, match=why):
        correct(edited, request_)
    assert edited.journal.read() == []


def test_unknown_classes_and_far_nuclei_are_refused(edited):
    first, last = int(edited.table.id[0]), int(edited.table.id[-1])
    with pytest.raises(KaryoscopeError, match="no class 99"):
        correct(edited, {"kind": "class", "ids": [first], "class": 99})
    with pytest.raises(KaryoscopeError, match="do not touch"):
        correct(edited, {"kind": "merge", "ids": [first, last]})
    with pytest.raises(KaryoscopeError, match="outside the slide"):
        correct(edited, {"kind": "add", "outline": outline(-500, 9), "class": 1})
    assert correct(edited, {"kind": "add", "outline": outline(0, 0, 30), "class": 1})


steps = st.lists(
    st.one_of(
        st.tuples(st.just("class"), st.integers(0, 30), st.integers(0, 6)),
        st.tuples(st.just("delete"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("undo"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@given(steps)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_undo_takes_back_the_last_and_a_restart_changes_nothing(tmp_path_factory, edited, made):
    fresh = EditedTable(edited.table, Journal(tmp_path_factory.mktemp("journal") / "a.edits.jsonl"))
    history = [fresh.changes()]
    for kind, place, class_id in made:
        request = {"kind": kind, "ids": [int(fresh.table.id[place])], "class": class_id}
        try:
            correct(fresh, request)
        except KaryoscopeError:
            continue
        if kind == "undo":
            history.pop()
            assert fresh.changes() == history[-1]
        else:
            history.append(fresh.changes())
        assert again(fresh).changes() == fresh.changes()


def test_a_line_that_a_crash_cut_short_is_passed_over_and_closed(edited):
    a, b = (int(i) for i in edited.table.id[:2])
    correct(edited, {"kind": "delete", "ids": [a]})
    with edited.journal.path.open("ab") as file:
        file.write(b'{"number":2,"kind":"dele')
    after = again(edited)
    assert not after.exists(a)
    correct(after, {"kind": "delete", "ids": [b]})
    last = again(edited)
    assert not last.exists(a)
    assert not last.exists(b)
    assert last.journal.damaged == 1
    assert edited.journal.path.read_bytes().endswith(b"\n")


def test_two_tabs_and_many_threads_lose_no_correction(edited):
    tabs = [edited, again(edited)]
    ids = [int(i) for i in edited.table.id[:40]]

    def run(part):
        for place, nucleus in enumerate(ids[part::4]):
            correct(tabs[(part + place) % 2], {"kind": "delete", "ids": [nucleus]})

    threads = [threading.Thread(target=run, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = again(edited).journal.read()
    assert [entry.number for entry in entries] == list(range(1, 41))
    assert not any(map(again(edited).exists, ids))
    # A nucleus that the other tab deleted is no longer there to be changed.
    with pytest.raises(KaryoscopeError, match="another tab"):
        correct(tabs[1], {"kind": "class", "ids": [ids[0]], "class": 1})


def test_an_entry_is_plain_json(edited):
    correct(edited, {"kind": "add", "outline": outline(100, 100), "class": 1})
    (line,) = edited.journal.path.read_text("utf-8").splitlines()
    data = json.loads(line)
    assert set(data) == {"number", "kind", "time", "add"}
    assert Entry.from_dict(data).to_dict() == data
    assert np.isfinite(data["add"][0]["outline"]).all()


def test_a_click_adds_the_class_of_the_model_and_nothing_twice(workspace):
    (key,) = workspace.catalogue.results
    nuclei = workspace.nuclei(key)
    there = int(nuclei.table.id[5])
    found = {"outline": outline(4, 4, 3), "class": "lymphocyte"}
    answers = Answers(workspace, True, lambda slide, x, y: (found["outline"], found["class"]))
    assert answers.segment(key, {"x": 4, "y": 4}) == {"outline": found["outline"], "class": 3}
    found["class"] = "a class that the result lacks"
    assert answers.segment(key, {"x": 4, "y": 4})["class"] is None
    found["outline"] = nuclei.outline_of(there).tolist()
    with pytest.raises(KaryoscopeError, match=f"finds nucleus {there} here"):
        answers.segment(key, {"x": 4, "y": 4})
    answers.correct(key, {"kind": "delete", "ids": [there]})
    assert answers.segment(key, {"x": 4, "y": 4})["outline"] == found["outline"]
    answers.correct(key, {"kind": "add", "outline": found["outline"], "class": 2})
    with pytest.raises(KaryoscopeError, match="which is there already"):
        answers.segment(key, {"x": 4, "y": 4})


def test_counts_of_classes_follow_the_corrections(workspace):
    (key,) = workspace.catalogue.results
    answers = Answers(workspace, edit=True)
    table = workspace.nuclei(key).table
    before = answers.edits(key)["counts"]
    assert sum(before) == len(table)
    one, other = (int(i) for i in table.id[table.class_id == 2][:2])
    answers.correct(key, {"kind": "class", "ids": [one], "class": 4})
    after = answers.correct(key, {"kind": "delete", "ids": [other]})["counts"]
    assert np.subtract(after, before).tolist() == [0, 0, -2, 0, 1, 0, 0]
    assert answers.correct(key, {"kind": "undo"})["counts"][2] == before[2] - 1
