"""What a step costs is measured without a word of the library that takes it."""

import logging

import pytest

pytest.importorskip("lightning")
pytest.importorskip("timm")

from tiny_recipe import write_recipe

from karyoscope.training.ablation.measure import seconds_a_step
from karyoscope.training.recipe.reading import load_recipe


def test_the_pace_is_measured_in_silence(tmp_path, caplog):
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.INFO)
    with caplog.at_level(logging.INFO):
        assert seconds_a_step(load_recipe(write_recipe(tmp_path)), "cpu") > 0
    said = [r.message for r in caplog.records if r.name.startswith("lightning")]
    assert [m for m in said if "Tip" in m or "available" in m or "stopped" in m] == []


def test_a_student_is_timed_without_asking_its_teacher(tmp_path):
    small = {"name": "shared_unet", "encoder": "test_efficientnet", "channels": [8, 8, 8, 8]}
    path = write_recipe(
        tmp_path,
        network=small,
        losses=[{"name": "soft_three_label"}, {"name": "prior_weighted_types"}],
        teacher={"recipe": "lizard-large", "weights": "no/such/file.safetensors"},
    )
    assert seconds_a_step(load_recipe(path), "cpu") > 0
