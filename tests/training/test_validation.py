"""Scores of validation during training: what is logged of how many images."""

import numpy as np
import pytest
from tiny_recipe import write_recipe

pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics import Pair
from karyoscope.training import load_recipe
from karyoscope.training.validation import Validator


@pytest.mark.parametrize("images", [1, 2])
def test_counts_are_compared_where_there_are_two_images(tmp_path, images):
    recipe = load_recipe(write_recipe(tmp_path, training={"steps": 1}))
    validator = Validator(recipe, Taxonomy.load(recipe.taxonomy))
    for number in range(1, images + 1):
        labels = np.zeros((8, 8), np.int32)
        labels[0, :number] = range(1, number + 1)
        classes = np.array([0, *[1] * number])
        pair = Pair(labels, labels, classes, classes, name=f"i{number}")
        validator.scores.add(pair)
        validator.composition.add(pair)
    logged = validator.finish(None)
    assert logged["val/pq"] == pytest.approx(1, abs=1e-4)
    assert logged.get("val/r2") == (1.0 if images == 2 else None)
    # A validation has nothing of the one before.
    assert len(validator.composition) == 0
