"""Where curves and tiles go, and runs that end where validation no longer rises."""

import pytest
from own_images import own_images

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training import loggers, train  # noqa: E402
from karyoscope.training.progress import quiet  # noqa: E402
from karyoscope.training.source import RecipeSource, recipe_of  # noqa: E402

SMALL = ["training.batch_size=1", "training.tile=64", "training.precision=fp32"]


@pytest.fixture
def own(tmp_path):
    root = tmp_path / "own"
    own_images(root, 2)
    return root


def run(own, out, *changes, **options):
    recipe = recipe_of(RecipeSource(data=own, start="lizard", mpp=0.5), out, [*SMALL, *changes])
    train(recipe, out, device="cpu", **options)
    return torch.load(out / "last.ckpt", map_location="cpu", weights_only=True)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_curves_and_tiles_arrive(own, tmp_path, monkeypatch, name):
    pytest.importorskip(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    out = tmp_path / "run"
    run(own, out, "training.steps=2", "validation.every=2", log_to=name)
    assert "train/loss" in (out / "log.csv").read_text("utf-8").splitlines()[0]
    tiles = (out / "tiles" / "0000002.png").read_bytes()
    if name == "tensorboard":
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(next((out / "tensorboard").rglob("events*")).parent))
        events.Reload()
        assert "train/loss" in events.Tags()["scalars"]
        assert events.Tags()["images"] == ["val/tiles"]
        return
    pictures = [p.read_bytes() for p in out.rglob("*.png") if p.parent != out / "tiles"]
    assert tiles in pictures
    if name == "mlflow":
        assert list((out / "mlruns").rglob("train/loss"))


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_what_is_not_installed_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.setattr(loggers, "installed", lambda *names: False)
    with pytest.raises(KaryoscopeError, match=f"{name} not installed: run `pip install {name}"):
        loggers.build_loggers(tmp_path, 0, name)


def test_a_run_ends_where_validation_no_longer_rises(own, tmp_path):
    # At a rate of nothing no validation is better than the first.
    still = ("optimiser.lr=1e-12", "validation.every=1", "training.patience=2")
    state = run(own, tmp_path / "still", "training.steps=9", *still, "training.ema=0")
    assert state["global_step"] == 3
    assert (tmp_path / "still" / "best.ckpt").is_file()


def test_the_log_has_an_entry_at_each_interval(own, tmp_path):
    run(own, tmp_path / "run", "training.steps=4", "training.log_every=2")
    lines = (tmp_path / "run" / "log.csv").read_text("utf-8").splitlines()
    place = lines[0].split(",").index("train/loss")
    assert sum(bool(line.split(",")[place]) for line in lines[1:]) == 2


@pytest.mark.parametrize("statistics", ["stored", "batch"])
def test_stored_statistics_stay_those_of_the_parent(own, tmp_path, statistics):
    from karyoscope.inference.torch_engine import torch_module

    changes = ("training.steps=1", "training.ema=0", f"training.statistics={statistics}")
    state = run(own, tmp_path / "run", *changes)["state_dict"]
    parent = torch_module("lizard").network.state_dict()
    kept = {
        name: bool(torch.allclose(state[f"network.{name}"].float(), value.float(), rtol=1e-2))
        for name, value in parent.items()
        if name.endswith("running_mean")
    }
    assert len(kept) > 10
    assert all(kept.values()) == (statistics == "stored")


def test_a_log_that_begins_again_is_not_remarked_on(tmp_path, recwarn):
    def begin():
        (logger,) = loggers.build_loggers(tmp_path, 0, "csv")
        logger.log_metrics({"loss": 1.0}, 0)
        logger.save()

    begin()
    begin()
    assert [w for w in recwarn.list if "not empty" in str(w.message)]
    recwarn.clear()
    quiet()
    begin()
    assert not recwarn.list
