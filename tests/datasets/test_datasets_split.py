"""Splits keep sources whole, share out classes and cohorts, and repeat by seed."""

from itertools import chain

import numpy as np
import pytest
from dataset_layouts import DATA
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.datasets import open_dataset
from karyoscope.datasets.base import Record
from karyoscope.datasets.inspect import leaks
from karyoscope.datasets.split import (
    apply_split,
    read_split,
    split_dataset,
    split_records,
    write_split,
)
from karyoscope.errors import KaryoscopeError
from karyoscope.taxonomy import Taxonomy

LIZARD = Taxonomy.load("lizard")


def made(sources: int, seed: int):
    """Sources of one to three images in three cohorts; class 5 is rare."""
    rng = np.random.default_rng(seed)
    records, counts = [], []
    for s in range(sources):
        for i in range(rng.integers(1, 4)):
            records.append(Record(f"{s}_{i}", f"source {s}", "abc"[s % 3]))
            count = np.zeros(256, np.int64)
            count[list(LIZARD.ids)] = rng.poisson([20, 200, 90, 30, 0, 70])
            count[5] = rng.poisson(4) * (s % 5 == 0)
            counts.append(count)
    return records, counts


@given(
    sources=st.integers(3, 30),
    seed=st.integers(0, 1000),
    shares=st.lists(st.floats(0.05, 1), min_size=1, max_size=3),
)
@settings(max_examples=12, deadline=None)
def test_every_image_is_in_one_part_and_no_source_in_two(sources, seed, shares):
    records, counts = made(sources, seed)
    fractions = {f"part {i}": share for i, share in enumerate(shares)}
    split = split_records(records, counts, LIZARD, fractions, seed)
    assert list(split.parts) == list(fractions)
    assert sorted(chain.from_iterable(split.parts.values())) == sorted(r.name for r in records)
    assert all(split.parts.values())
    source = {r.name: r.source for r in records}
    owners = [{source[n] for n in names} for names in split.parts.values()]
    assert sum(len(o) for o in owners) == sources
    for part, names in split.parts.items():
        total = sum(c for r, c in zip(records, counts, strict=True) if r.name in names)
        expected = {c.name: total[c.id] for c in LIZARD.classes}
        assert split.counts[part]["classes"] == expected
        assert split.counts[part]["images"] == len(names)


@pytest.mark.parametrize("seed", range(4))
def test_rare_classes_and_cohorts_are_in_every_part(seed):
    records, counts = made(40, seed)
    split = split_records(
        records, counts, LIZARD, {"train": 0.7, "validation": 0.15, "test": 0.15}, seed
    )
    total = sum(counts)
    for part, share in split.fractions.items():
        found = split.counts[part]
        assert set(found["cohorts"]) == {"a", "b", "c"}
        assert found["classes"]["eosinophil"] > 0
        for c in LIZARD.classes:
            if c.name != "eosinophil":
                assert found["classes"][c.name] / total[c.id] == pytest.approx(share, abs=0.05)


def test_a_seed_repeats_and_another_differs():
    records, counts = made(25, 1)
    splits = [split_records(records, counts, LIZARD, {"a": 1, "b": 1}, seed) for seed in (7, 7, 8)]
    assert splits[0] == splits[1]
    assert splits[0].parts != splits[2].parts


def test_order_of_the_records_does_not_matter():
    records, counts = made(15, 2)
    forward = split_records(records, counts, LIZARD, {"a": 2, "b": 1}, 0)
    backward = split_records(records[::-1], counts[::-1], LIZARD, {"a": 2, "b": 1}, 0)
    assert forward.parts == backward.parts


def test_many_sources_are_split_too():
    rng = np.random.default_rng(0)
    records = [Record(str(i), str(i), "ab"[i % 2]) for i in range(900)]
    counts = [np.bincount(rng.integers(1, 7, 50), minlength=256) for _ in records]
    split = split_records(records, counts, LIZARD, {"a": 0.9, "b": 0.1}, 0)
    assert abs(len(split.parts["b"]) - 90) <= 5


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({}, "positive share"),
        ({"a": 0.0}, "positive share"),
        (dict.fromkeys("abcd", 1), "3 sources"),
    ],
)
def test_impossible_splits_are_errors(fractions, message):
    records, counts = made(3, 0)
    with pytest.raises(KaryoscopeError, match=message):
        split_records(records, counts, LIZARD, fractions, 0)


def test_files_round_trip_and_are_applied(tmp_path):
    dataset = open_dataset(DATA / "dsb2018")
    split = split_dataset(dataset, {"train": 0.5, "test": 0.5}, 1)
    write_split(split, tmp_path / "s.json")
    assert read_split(tmp_path / "s.json") == split
    parts = apply_split(dataset, split)
    assert {p: sorted(r.name for r in rs) for p, rs in parts.items()} == split.parts
    assert all(r.split in ("train", "test") for r in dataset.records)
    assert leaks(dataset.records) == []
    (tmp_path / "s.json").write_text("{}")
    with pytest.raises(KaryoscopeError, match="not a split file"):
        read_split(tmp_path / "s.json")
    with pytest.raises(KaryoscopeError, match="not a split file"):
        read_split(tmp_path / "nowhere.json")


def test_a_split_of_other_images_is_refused():
    dataset = open_dataset(DATA / "dsb2018")
    split = split_dataset(dataset, {"train": 0.5, "test": 0.5})
    name = split.parts["train"].pop()
    with pytest.raises(KaryoscopeError, match=f"image {name} is in no part"):
        apply_split(dataset, split)
    split.parts["train"] += [name, "stranger"]
    with pytest.raises(KaryoscopeError, match="image stranger of the split"):
        apply_split(dataset, split)
