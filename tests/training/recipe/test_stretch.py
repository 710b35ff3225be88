"""Recipes over another number of steps: what follows the steps, and what a user has set."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")

from hypothesis import given
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.recipe import changed_keys, load_recipe, stretched
from karyoscope.training.source import RecipeSource, recipe_of

LIZARD = load_recipe("lizard")


def short(name, tmp_path, *changes, steps=100):
    return recipe_of(RecipeSource(name), tmp_path / "run", list(changes), steps=steps)


@pytest.mark.parametrize(
    ("change", "read", "value"),
    [
        ("validation.every=3", lambda r: r.validation.every, 3),
        ("validation={split: consep.split.json, every: 3}", lambda r: r.validation.every, 3),
        ("training.ema=0.97", lambda r: r.training.ema, 0.97),
        ("training.checkpoint_every=400", lambda r: r.training.checkpoint_every, 400),
        ("optimiser.warmup=37", lambda r: r.optimiser.warmup, 37),
        ("optimiser={warmup: 37}", lambda r: r.optimiser.warmup, 37),
        ("optimiser.decay=41", lambda r: r.optimiser.decay, 41),
        ("optimiser.schedule={name: step, epoch: 7}", lambda r: r.optimiser.schedule.epoch, 7),
    ],
)
def test_what_a_user_sets_stays(tmp_path, change, read, value):
    assert read(load_recipe("lizard", [change])) == value
    assert read(short("lizard", tmp_path, change)) == value
    # Otherwise it follows the number of steps.
    assert read(stretched(load_recipe("lizard", [change]), 100)) != value


def test_phases_that_a_user_sets_stay_one_by_one(tmp_path):
    phases = [phase.steps for phase in load_recipe("hovernet").phases]
    follow = [p.steps for p in short("hovernet", tmp_path).phases]
    assert sum(follow) <= 100 < phases[0]
    both = short("hovernet", tmp_path, "phases=[{steps: 60, frozen: [encoder]}, {steps: 40}]")
    assert [p.steps for p in both.phases] == [60, 40]
    first = short("hovernet", tmp_path, "phases.0.steps=30")
    assert first.phases[0].steps == 30
    with pytest.raises(KaryoscopeError, match="phases take 110 steps, and the training has 100"):
        short("hovernet", tmp_path, "phases=[{steps: 60}, {steps: 50}]")


def test_with_patience_a_run_is_validated_as_often_as_before(tmp_path):
    whole = load_recipe("finetune")
    assert short("finetune", tmp_path).validation.every == 100
    patient = short("finetune", tmp_path, "training.patience=1")
    assert patient.validation.every / 100 == whole.validation.every / whole.training.steps


@given(st.integers(1, 20_000), st.integers(1, 1000))
def test_a_short_run_has_four_checkpoints_and_a_long_one_as_many_as_before(steps, every):
    training = LIZARD.training.model_copy(update={"checkpoint_every": every})
    whole = LIZARD.model_copy(update={"training": training})
    found = stretched(whole, steps).training.checkpoint_every
    assert found <= every
    assert found in (every, 5, steps // 4)
    if steps >= 20:
        assert steps // found >= 4
    assert stretched(whole, steps, ["training.checkpoint_every"]).training == (
        stretched(whole, steps).training.model_copy(update={"checkpoint_every": every})
    )


def test_a_key_that_is_set_to_null_follows_the_steps(tmp_path):
    changes = ["optimiser.schedule=flat", "optimiser.decay=null", "training.steps=4000"]
    assert short("lizard", tmp_path, *changes, steps=400).optimiser.decay == 200
    assert changed_keys(changes) == {"optimiser.schedule", "training.steps"}
