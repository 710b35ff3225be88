"""The finished blocks of a slide on disk: the same nuclei back, and nothing half-written."""

import json
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.pipeline import BlockReport, Box, Journal

TAXONOMY = Taxonomy.load("lizard")
SETTINGS = {"slide": {"name": "a.svs", "size": 12}, "tta": 1, "roi": None}


def some_nuclei(count: int, seed: int = 0, measurements=(), known: bool = True) -> Nuclei:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 40, count)
    return Nuclei(
        TAXONOMY,
        0.5,
        id=np.arange(1, count + 1),
        class_id=rng.integers(0, 7, count),
        x=rng.uniform(0, 1e5, count),
        y=rng.uniform(0, 1e5, count),
        area_um2=rng.uniform(5, 99, count),
        probabilities=rng.random((count, len(TAXONOMY) if known else 0)),
        vertices=rng.uniform(0, 1e5, (int(lengths.sum()), 2)),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        measurements={name: rng.random(count) for name in measurements},
    )


def assert_equal(a: Nuclei, b: Nuclei) -> None:
    assert (a.taxonomy, a.mpp) == (b.taxonomy, b.mpp)
    names = ["id", "class_id", "x", "y", "area_um2", "probabilities", "vertices", "offsets"]
    for one, other in [(getattr(a, n), getattr(b, n)) for n in names]:
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()
    assert list(a.measurements) == list(b.measurements)
    for name, values in a.measurements.items():
        np.testing.assert_array_equal(values, b.measurements[name])


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "out" / ".a.journal"


@pytest.fixture
def journal(folder):
    return Journal(folder, SETTINGS, TAXONOMY, 0.5)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 30),
    st.integers(0, 9),
    st.sampled_from([(), ("solidity", "od h")]),
    st.booleans(),
)
def test_what_is_put_is_what_is_got(tmp_path_factory, count, seed, measurements, known):
    journal = Journal(tmp_path_factory.mktemp("journal"), SETTINGS, TAXONOMY, 0.5)
    nuclei = some_nuclei(count, seed, measurements, known)
    report = BlockReport(
        seed / 7,
        seed / 9,
        seed,
        {Box(0, 1, 2, 3): "damaged: 'µ'"} if seed % 2 else {},
        (Box(4, 5, 6, 7), "no memory") if seed % 3 else None,
        seed != 4,
    )
    journal.put(seed, nuclei, report)
    found, same = journal.get(seed)
    assert_equal(found, nuclei)
    assert same == report == journal.report(seed)
    assert report.complete == (seed % 6 == 0)


def test_another_process_finds_what_is_done(journal, folder):
    journal.put(7, some_nuclei(3), BlockReport(1.5))
    journal.put(0, some_nuclei(0), BlockReport(0.0))
    again = Journal(folder, dict(reversed(SETTINGS.items())), TAXONOMY, 0.5)
    assert again.done() == {0, 7}
    assert not again.discarded
    assert_equal(again.get(7)[0], some_nuclei(3))
    with pytest.raises(KeyError):
        again.get(1)
    again.forget(7)
    assert journal.done() == {0}
    again.remove()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (SETTINGS | {"tta": 4}, "tta"),
        ({k: v for k, v in SETTINGS.items() if k != "tta"}, "tta"),
        (SETTINGS | {"stain": "macenko"}, "stain"),
        (SETTINGS | {"slide": {"name": "a.svs", "size": 13}}, "slide"),
    ],
)
def test_a_journal_of_other_settings_is_discarded(journal, folder, settings, key):
    journal.put(7, some_nuclei(3), BlockReport(1.5))
    other = Journal(folder, settings, TAXONOMY, 0.5)
    assert other.done() == set()
    assert other.discarded == key
    assert json.loads((folder / "header.json").read_text("utf-8")) == settings


@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_blocks_without_a_sound_header_are_discarded(journal, folder, damage):
    journal.put(7, some_nuclei(3), BlockReport(1.5))
    header = folder / "header.json"
    text = header.read_text("utf-8")
    header.unlink()
    if damage != "missing":
        header.write_text(text[: len(text) // 2] if damage == "cut" else "")
    assert Journal(folder, SETTINGS, TAXONOMY, 0.5).done() == set()


def test_what_a_killed_run_left_is_not_a_block(journal, folder):
    journal.put(7, some_nuclei(3), BlockReport(1.5))
    data = (folder / "7.arrow").read_bytes()
    (folder / "8.arrow.partial").write_bytes(data)
    (folder / "9.arrow").write_bytes(b"")
    (folder / "10.arrow").write_bytes(data[:-9])
    assert journal.done() == {7}
    assert Journal(folder, SETTINGS, TAXONOMY, 0.5).done() == {7}
    assert not (folder / "8.arrow.partial").exists()


def test_a_damaged_block_is_one_line(journal, folder):
    journal.put(7, some_nuclei(300), BlockReport(1.5))
    data = bytearray((folder / "7.arrow").read_bytes())
    data[8:64] = bytes(56)
    data[-200:-10] = bytes(190)
    (folder / "7.arrow").write_bytes(data)
    with pytest.raises(KaryoscopeError, match=r"7\.arrow is damaged; remove it and run again"):
        journal.get(7)


def test_a_full_disk_keeps_the_other_blocks(journal, folder, monkeypatch):
    journal.put(7, some_nuclei(3), BlockReport(1.5))

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KaryoscopeError, match="No space left on device; free space or"):
        journal.put(8, some_nuclei(3), BlockReport(1.5))
    monkeypatch.undo()
    assert Journal(folder, SETTINGS, TAXONOMY, 0.5).done() == {7}
    assert [p.name for p in folder.glob("*.partial")] == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KaryoscopeError, match="cannot write"):
        Journal(tmp_path / "file" / ".a.journal", SETTINGS, TAXONOMY, 0.5)
