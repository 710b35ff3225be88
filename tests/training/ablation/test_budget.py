"""Budgets in tiles and epochs: what a run then draws, whatever its phases and batches."""

import time

import pytest

pytest.importorskip("lightning")
pytest.importorskip("timm")

from hypothesis import given
from hypothesis import strategies as st
from tiny_recipe import write_recipe

from karyoscope.training.ablation.budget import tiles_drawn, within
from karyoscope.training.ablation.grid import Budget
from karyoscope.training.ablation.measure import cost_of, seconds_a_step
from karyoscope.training.module import NucleusModule
from karyoscope.training.optim.phases import Phase, batch_size_at
from karyoscope.training.recipe.reading import load_recipe

#: An epoch of CoNIC, by which the shipped recipes are written.
EPOCH = 4981
HOVERNET = load_recipe("hovernet")


@pytest.mark.parametrize("name", ["hovernet", "smile", "lizard", "mbzuai", "hovernet_consep"])
@pytest.mark.parametrize("epochs", [3, 100])
def test_so_many_epochs_draw_the_area_of_the_images_so_often(name, epochs):
    recipe = load_recipe(name)
    pixels = EPOCH * recipe.training.tile**2
    drawn = tiles_drawn(within(recipe, Budget(epochs=epochs), 1.0, pixels))
    assert drawn == pytest.approx(epochs * EPOCH, rel=1e-3)


def test_the_epochs_of_the_paper_are_the_steps_of_the_recipe():
    recipe = load_recipe("hovernet")
    steps = within(recipe, Budget(epochs=100), 1.0, EPOCH * 256**2).training.steps
    assert steps == pytest.approx(recipe.training.steps, rel=1e-3)


phases = st.lists(
    st.builds(Phase, steps=st.integers(1, 400), batch_size=st.none() | st.integers(1, 16)),
    max_size=3,
)


@given(phases, st.integers(0, 400), st.integers(1, 16), st.integers(1, 4), st.integers(1, 2),
       st.integers(1, 30_000), st.booleans())  # fmt: skip
def test_a_budget_in_tiles_is_met_to_a_few_steps(
    parts, rest, batch, accumulate, devices, tiles, own
):
    recipe = load_recipe("hovernet")
    length = sum(phase.steps for phase in parts)
    settings = {"steps": max(1, length + rest), "batch_size": batch,
                "accumulate": accumulate, "devices": devices}  # fmt: skip
    training = recipe.training.model_copy(update=settings)
    recipe = recipe.model_copy(update={"phases": parts, "training": training})
    largest = max([batch, *(p.batch_size or batch for p in parts)]) * accumulate * devices
    # Phases that a user set take their tiles, whatever the budget.
    tiles += length * largest if own else 0
    short = within(recipe, Budget(tiles=tiles), 1.0, keep=["phases"] if own else [])
    steps = range(short.training.steps)
    drawn = sum(batch_size_at(k, short.phases, batch) for k in steps) * accumulate * devices
    assert drawn == tiles_drawn(short)
    # Each phase is rounded down to a step, and takes one at least.
    assert abs(drawn - tiles) <= largest * (len(parts) + 1)


def test_the_time_of_a_step_is_of_every_phase_and_of_all_batches_of_the_step(tmp_path, monkeypatch):
    # A clock that ticks once a tile.
    tiles = [0.0]
    step = NucleusModule.training_step

    def counted(module, batch, number):
        tiles[0] += len(batch[0])
        return step(module, batch, number)

    monkeypatch.setattr(NucleusModule, "training_step", counted)
    monkeypatch.setattr(time, "process_time", lambda: tiles[0])

    def time_of(name, phases=(), **settings):
        given = {"batch_size": 1, "steps": 40} | settings
        path = write_recipe(tmp_path / name, training=given, phases=list(phases))
        return seconds_a_step(load_recipe(path), "cpu")

    assert time_of("plain") == 1
    assert time_of("accumulated", accumulate=3, batch_size=2) == 6
    two = [{"steps": 10}, {"steps": 20, "batch_size": 5}]
    assert time_of("phases", two) == (10 * 1 + 30 * 5) / 40
    assert time_of("both", two, accumulate=2) == 2 * (10 * 1 + 30 * 5) / 40


def test_what_is_said_of_the_cost_counts_phases_and_accumulated_batches():
    recipe = load_recipe(
        "hovernet",
        ["training.steps=10", "training.batch_size=8", "training.accumulate=3",
         "phases=[{steps: 4}, {steps: 6, batch_size: 2}]"],
    )  # fmt: skip
    cost = cost_of(recipe, 0.5)
    assert cost["tiles"] == (4 * 8 + 6 * 2) * 3
    assert cost["images_per_s"] == pytest.approx(cost["tiles"] / 10 / 0.5)
