"""Which images a recipe trains on, by what its split never parts."""

import numpy as np
import pytest

pytest.importorskip("lightning")

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Record, Sample
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.split import Split, write_split
from karyoscope.training.data.images import split_records
from karyoscope.training.recipe.reading import load_recipe

NUCLEUS = Taxonomy.load("nucleus")


@pytest.mark.parametrize(
    ("by", "trained"),
    [("source", ["c", "d"]), ("tile", ["b", "c", "d"]), ("cohort", ["d"])],
)
def test_what_is_not_parted_is_kept_out_of_training(tmp_path, by, trained):
    inst_map = np.zeros((16, 16), np.int32)
    image, classes = np.zeros((16, 16, 3), np.uint8), np.array([0], np.uint8)
    samples = [
        Sample(Record(name, source, cohort), image, inst_map, classes, NUCLEUS, 0.5)
        for name, source, cohort in zip("abcd", "1123", "xxxy", strict=True)
    ]
    write_folder(samples, tmp_path / "data", NUCLEUS)
    parts = {"train": ["b", "c", "d"], "validation": ["a"]}
    write_split(Split(parts, {}, 0, {}, by), tmp_path / "split.json")
    recipe = load_recipe(
        "hovernet",
        [f"data=[{{path: {tmp_path}/data}}]", f"validation.split={tmp_path}/split.json"],
    )
    train, validation = split_records(recipe)
    assert [record.name for _, record, _ in train] == trained
    assert [record.name for _, record in validation] == ["a"]
