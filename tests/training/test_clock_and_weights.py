"""Runs that end by the clock, averaged weights, a teacher in a recipe."""

from dataclasses import replace
from functools import partial

import pytest
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from safetensors import SafetensorError  # noqa: E402

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training import load_recipe, train  # noqa: E402
from karyoscope.training.curves import read_log  # noqa: E402
from karyoscope.training.optim.clock import TimeLimit  # noqa: E402
from karyoscope.training.recipe.schema import Teacher  # noqa: E402
from karyoscope.training.teacher import check_teachers, taught  # noqa: E402
from karyoscope.training.weights import load_network  # noqa: E402

SMALL = {"name": "shared_unet", "encoder": "test_efficientnet", "channels": [8, 8, 8, 8]}


@pytest.fixture
def tiny(tmp_path):
    return partial(write_recipe, tmp_path / "data")


def test_the_schedule_follows_the_time(monkeypatch):
    clock, now = TimeLimit(10.0, 400), 100.0
    monkeypatch.setattr("karyoscope.training.optim.clock.time.monotonic", lambda: now)
    assert clock.step == 0
    clock.on_train_start(None, None)
    now = 102.5
    assert (clock.elapsed, clock.step) == (2.5, 100)
    resumed = TimeLimit(10.0, 400)
    resumed.load_state_dict(clock.state_dict())
    resumed.on_train_start(None, None)
    now = 105.0
    assert resumed.step == 200
    now = 200.0
    assert resumed.step == 400


def test_a_run_ends_by_the_clock_with_weights_and_scores(tiny, tmp_path):
    recipe = load_recipe(tiny(training={"steps": 100_000, "ema": 0.9}))
    last = train(recipe, tmp_path / "run", device="cpu", seconds=1.0)
    steps = torch.load(last, weights_only=True)["global_step"]
    assert 0 < steps < 100_000
    assert any("val/pq" in row for row in read_log(tmp_path / "run").values())
    # The weights alone are the averaged ones of the checkpoint, in half precision.
    kept = load_network(recipe, tmp_path / "run" / "weights.safetensors").state_dict()
    for name, value in load_network(recipe, last).state_dict().items():
        torch.testing.assert_close(kept[name].float(), value.float(), rtol=1e-2, atol=1e-2)


def test_the_average_moves_by_its_decay(tiny, tmp_path):
    recipe = load_recipe(tiny(training={"steps": 3, "ema": 0.5}))
    train(recipe, tmp_path / "run", device="cpu")
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    averaged, current = state["state_dict"], state["current_model_state"]
    name = next(k for k, v in current.items() if v.ndim == 4)
    assert not torch.equal(averaged[name], current[name])
    # Between where the weights began and where they are: never beyond both.
    assert (averaged[name] - current[name]).abs().max() < 0.1


def test_a_student_learns_from_a_teacher_with_two_views(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("karyoscope.training.teacher.LARGEST", 128)
    monkeypatch.setattr("karyoscope.training.teacher.CONTEXT", 16)
    path = tiny(network=SMALL, losses=[{"name": "three_label"}, {"name": "prior_weighted_types"}])
    train(load_recipe(path), tmp_path / "teacher", device="cpu")
    losses = ["soft_three_label", "soft_types", "consistent_three_label", "consistent_types"]
    listed = ", ".join(f"{{name: {name}}}" for name in losses)
    weights = tmp_path / "teacher" / "weights.safetensors"
    changes = [f"losses=[{listed}]", f"teacher={{recipe: {path}, weights: {weights}}}"]
    train(load_recipe(path, changes), tmp_path / "student", device="cpu")
    logged = {key for row in read_log(tmp_path / "student").values() for key in row}
    assert {"val/pq"} <= logged
    with pytest.raises(KaryoscopeError, match="the recipe has no teacher"):
        load_recipe(path, changes[:1])
    with pytest.raises(KaryoscopeError, match="soft_labels: it keeps a teacher's"):
        load_recipe(path, ["soft_labels=soft.safetensors"])
    with pytest.raises(KaryoscopeError, match=r"training\.batch_size is odd"):
        load_recipe(path, [*changes, "training.batch_size=3"])


def test_probabilities_of_teachers_are_kept_and_read_again(tiny, bank, tmp_path, monkeypatch):
    path = tiny(network=SMALL, losses=[{"name": "three_label"}, {"name": "prior_weighted_types"}])
    train(load_recipe(path), tmp_path / "teacher", device="cpu")
    weights = tmp_path / "teacher" / "weights.safetensors"
    both = [Teacher(recipe=str(path), weights=weights, views=views) for views in (1, 4)]
    file = tmp_path / "kept" / "soft.safetensors"
    first = taught(bank, both, file).soft
    assert torch.equal(taught(bank, both).soft, first)
    monkeypatch.setattr("karyoscope.training.teacher.soft_labels", None)
    assert torch.equal(taught(bank, both, file).soft, first)
    with pytest.raises(KaryoscopeError, match="other pixels or another teacher"):
        taught(bank, both[:1], file)
    with pytest.raises(KaryoscopeError, match="other pixels or another teacher"):
        taught(replace(bank, rgb=bank.rgb ^ 1), both, file)
    with pytest.raises(KaryoscopeError, match="cannot write"):
        taught(bank, both, path / "beneath a file" / "soft.safetensors")
    file.write_bytes(b"no probabilities")
    with pytest.raises(KaryoscopeError, match="holds no probabilities"):
        taught(bank, both, file)


def test_a_teacher_of_other_classes_or_scale_is_refused(tiny):
    path = tiny(network=SMALL, losses=[{"name": "three_label"}, {"name": "prior_weighted_types"}])
    recipe = load_recipe(path, ["teacher={recipe: lizard-large, weights: no/such/file}"])
    with pytest.raises(KaryoscopeError, match="teacher lizard-large: its classes are neutrophil"):
        check_teachers(recipe)
    own = load_recipe(path, [f"teacher={{recipe: {path}, weights: no/such/file}}"])
    check_teachers(own)
    with pytest.raises(KaryoscopeError, match="µm/px"):
        check_teachers(own.model_copy(update={"mpp": own.mpp / 2}))


def test_probabilities_are_used_where_the_disk_is_full(tiny, bank, tmp_path, monkeypatch, caplog):
    path = tiny(network=SMALL, losses=[{"name": "three_label"}, {"name": "prior_weighted_types"}])
    train(load_recipe(path), tmp_path / "teacher", device="cpu")
    weights = tmp_path / "teacher" / "weights.safetensors"
    teachers = [Teacher(recipe=str(path), weights=weights, views=1)]

    def full(*_):
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr("karyoscope.training.teacher.save_file", full)
    file = tmp_path / "soft.safetensors"
    assert torch.equal(taught(bank, teachers, file).soft, taught(bank, teachers).soft)
    assert "not kept" in caplog.text
    assert "No space left" in caplog.text
    assert not file.exists()
