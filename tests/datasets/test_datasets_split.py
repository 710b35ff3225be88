"""Splits keep sources whole, share out classes and cohorts, and repeat by seed."""

import json
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from dataset_layouts import CASES, DATA
from dataset_pictures import pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from karyoscope.cli import data
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import open_dataset
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.from_paths import convert_images, inspect_images, split_images
from karyoscope.datasets.inspect import leaks
from karyoscope.datasets.split import (
    apply_split,
    cohorts_of,
    leave_out,
    read_split,
    split_dataset,
    split_records,
    write_split,
)

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


def test_by_tile_parts_sources_and_says_so(tmp_path):
    records, counts = made(6, 3)
    # Six sources cannot make twelve parts; their tiles can.
    shares = {str(i): 1.0 for i in range(min(12, len(records)))}
    with pytest.raises(KaryoscopeError, match="6 sources cannot make"):
        split_records(records, counts, LIZARD, shares | {"a": 1}, 0)
    split = split_records(records, counts, LIZARD, {"train": 0.5, "test": 0.5}, 0, "tile")
    assert sorted(chain.from_iterable(split.parts.values())) == sorted(r.name for r in records)
    source = {r.name: r.source for r in records}
    owners = [{source[n] for n in names} for names in split.parts.values()]
    assert owners[0] & owners[1]
    write_split(split, tmp_path / "s.json")
    assert read_split(tmp_path / "s.json").by == "tile"


def test_a_split_without_the_unit_is_by_source(tmp_path):
    records, counts = made(6, 3)
    split = split_records(records, counts, LIZARD, {"a": 1, "b": 1}, 0)
    stored = split.to_dict()
    del stored["by"]
    (tmp_path / "s.json").write_text(json.dumps(stored))
    assert read_split(tmp_path / "s.json") == split


@pytest.mark.parametrize("cohort", "abc")
def test_a_cohort_left_out_is_the_whole_validation(cohort):
    records, counts = made(9, 4)
    split = leave_out(records, counts, LIZARD, cohort)
    held = sorted(r.name for r in records if r.cohort == cohort)
    assert split.by == "cohort"
    assert split.parts["validation"] == held
    assert sorted(split.parts["train"] + held) == sorted(r.name for r in records)
    assert cohort not in split.counts["train"]["cohorts"]
    assert set(split.counts["validation"]["cohorts"]) == {cohort}
    assert split.fractions["validation"] == pytest.approx(len(held) / len(records))


def test_cohorts_that_cannot_be_left_out_are_errors():
    records, counts = made(9, 4)
    with pytest.raises(KaryoscopeError, match="no cohort 'd'; there are a, b, c"):
        leave_out(records, counts, LIZARD, "d")
    only = [r for r in records if r.cohort == "a"]
    with pytest.raises(KaryoscopeError, match="only cohort"):
        leave_out(only, counts, LIZARD, "a")
    with pytest.raises(KaryoscopeError, match="names no cohorts"):
        leave_out([replace(r, cohort="") for r in records], counts, LIZARD, "a")
    twice = [replace(records[0], name="again", cohort="b"), *records]
    with pytest.raises(KaryoscopeError, match="source source 0 is in cohort"):
        leave_out(twice, [counts[0], *counts], LIZARD, "a")


def test_cohorts_of_lizard_are_left_out_in_turn(shared, tmp_path):
    lizard = open_dataset(shared / "data" / "lizard")
    assert cohorts_of(lizard.records) == ["consep", "dpath", "glas", "pannuke"]
    none = [np.zeros(256, np.int64)] * len(lizard)
    sizes = {
        cohort: len(leave_out(lizard.records, none, LIZARD, cohort).parts["validation"])
        for cohort in cohorts_of(lizard.records)
    }
    assert sizes == {"consep": 9, "dpath": 22, "glas": 49, "pannuke": 21}


def test_command_writes_a_file_for_each_cohort(tmp_path):
    rng = np.random.default_rng(0)
    samples = []
    for k in range(4):
        inst_map = np.zeros((32, 32), np.int32)
        inst_map[8:20, 8:20] = 1
        image = rng.integers(0, 255, (32, 32, 3), np.uint8)
        record = Record(f"i{k}", f"s{k}", "xy"[k % 2])
        samples.append(Sample(record, image, inst_map, np.array([0, 2], np.uint8), LIZARD, 0.5))
    write_folder(samples, tmp_path / "data", LIZARD)
    run = CliRunner().invoke
    everything = ["split", str(tmp_path / "data"), "--leave-out", "all"]
    result = run(data.app, [*everything, "--out", str(tmp_path / "splits")])
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "splits").iterdir()) == ["x.json", "y.json"]
    assert read_split(tmp_path / "splits" / "x.json").parts["validation"] == ["i0", "i2"]
    assert "left out: x" in result.stdout
    assert set(json.loads(run(data.app, everything).stdout)) == {"x", "y"}
    for wrong in (["--part", "a=1"], ["--folds", "2"], ["--by", "tile"]):
        assert run(data.app, [*everything, *wrong]).exit_code == 2
    by_tile = run(data.app, ["split", str(tmp_path / "data"), "--by", "tile"])
    assert json.loads(by_tile.stdout)["by"] == "tile"


def test_the_call_writes_what_the_command_writes(tmp_path):
    CASES["folder"].write(tmp_path / "data", pictures(CASES["folder"]))
    dataset = open_dataset(tmp_path / "data", taxonomy=Taxonomy.load("lizard"))
    images = []
    found = split_images(
        dataset,
        {"a": 0.5, "b": 0.5},
        tmp_path / "called.json",
        begin=images.append,
        watch=images.append,
    )
    arguments = ["split", str(tmp_path / "data"), "--part", "a=0.5", "--part", "b=0.5"]
    done = CliRunner().invoke(data.app, [*arguments, "--out", str(tmp_path / "asked.json")])
    assert done.exit_code == 0
    assert (tmp_path / "called.json").read_bytes() == (tmp_path / "asked.json").read_bytes()
    assert found.keys() == {""}
    assert [images[0], len(images[1:])] == [2, 2]
    with pytest.raises(KaryoscopeError, match="names no cohorts"):
        split_images(dataset, {}, held_out="all")
    by_path = split_images(tmp_path / "data", {"a": 0.5, "b": 0.5}, classes="lizard")
    assert by_path[""].parts == found[""].parts


def test_equal_parts_by_their_number_and_images_that_are_in_none(tmp_path):
    CASES["folder"].write(tmp_path / "data", pictures(CASES["folder"]))
    found = split_images(tmp_path / "data", 2, classes="lizard")[""]
    assert list(found.parts) == ["1", "2"]
    assert split_images(tmp_path / "data", classes="lizard")[""].parts.keys() == {
        "train",
        "validation",
    }
    damaged = sorted((tmp_path / "data" / "labels").glob("*.png"))[0]
    damaged.write_bytes(b"no image")
    problems = []
    try:
        split_images(tmp_path / "data", {"a": 1.0}, classes="lizard", problem=problems.append)
    finally:
        damaged.unlink()
    assert len(problems) == 1
    assert damaged.stem in problems[0]


def test_properties_of_a_folder_are_refused_for_an_open_dataset(tmp_path):
    CASES["folder"].write(tmp_path / "data", pictures(CASES["folder"]))
    dataset = open_dataset(tmp_path / "data", taxonomy=Taxonomy.load("lizard"))
    for call in (
        lambda **given: split_images(dataset, **given),
        lambda **given: inspect_images(dataset, **given),
        lambda **given: convert_images(dataset, "folder", tmp_path / "out", **given),
    ):
        with pytest.raises(KaryoscopeError, match="classes describes a folder"):
            call(classes="lizard")
