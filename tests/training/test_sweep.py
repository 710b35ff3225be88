"""Trainings whose recipe keys are chosen by Optuna."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("optuna")

from tiny_recipe import write_recipe  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from karyoscope.cli.sweep import app  # noqa: E402
from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training.curves import read_log  # noqa: E402
from karyoscope.training.recipe import load_recipe  # noqa: E402
from karyoscope.training.source import RecipeSource  # noqa: E402
from karyoscope.training.sweep import Range, read_space, sweep  # noqa: E402


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(
        "optimiser.lr: {low: 1.0e-4, high: 1.0e-2, log: true}\n"
        "training.balanced: [0.0, 1.0]\n"
        "optimiser.warmup: {low: 0, high: 2}\n"
    )
    return path


def test_trainings_have_the_keys_that_were_chosen_and_are_ranked(tmp_path, space):
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    found = sweep(
        RecipeSource(str(recipe)), space, out, trials=2, score="pq", steps=1, device="cpu"
    )
    assert len(found.trials) == 2
    assert found.trials[0].score >= found.trials[1].score
    for trial in found.trials:
        run = out / f"trial-{trial.number:03d}"
        trained = load_recipe(run / "recipe.yaml")
        assert trained.training.steps == 1
        assert trained.optimiser.lr == pytest.approx(trial.values["optimiser.lr"])
        assert 1e-4 <= trained.optimiser.lr <= 1e-2
        assert trained.training.balanced == trial.values["training.balanced"]
        assert trial.values["optimiser.warmup"] in (0, 1, 2)
        rows = [row for row in read_log(run).values() if "val/pq" in row]
        assert trial.score == rows[-1]["val/pq"]
    assert (out / "sweep.md").read_text("utf-8") == found.table()
    # The same call trains nothing more; one with more trials adds to them.
    before = {p: p.stat().st_mtime_ns for p in out.rglob("last.ckpt")}
    again = sweep(
        RecipeSource(str(recipe)), space, out, trials=2, score="pq", steps=1, device="cpu"
    )
    assert again == found
    assert {p: p.stat().st_mtime_ns for p in out.rglob("last.ckpt")} == before


def test_a_training_that_fails_is_named_and_the_others_go_on(tmp_path):
    recipe, out = write_recipe(tmp_path), tmp_path / "out"
    space = tmp_path / "space.yaml"
    # Tiles of 50 px do not fit the network.
    space.write_text("training.tile: [64, 50]\n")
    runner = CliRunner()
    arguments = [str(recipe), "--space", str(space), "--out", str(out), "--trials", "3"]
    result = runner.invoke(
        app, [*arguments, "--steps", "1", "--device", "cpu", "--score", "pq", "--seed", "1"]
    )
    assert result.exit_code == 1
    tiles = [line.split("|")[2].strip() for line in result.stdout.splitlines()[2:]]
    assert set(tiles) == {"64", "50"}
    assert "do not fit" in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optimiser.lr: {low: 1, high: 0}", "optimiser.lr: low must be below high"),
        ("optimiser.lr: {low: 0, high: 1, log: true}", "low must be positive"),
        ("optimiser.lr: 3", "each key has a list of values, or low and high"),
        ("- 1", "each key has a list"),
        ("optimiser.lr: []", "optimiser.lr"),
    ],
)
def test_a_space_that_cannot_be_is_one_line(tmp_path, text, said):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(KaryoscopeError, match=said) as error:
        read_space(path)
    assert "\n" not in str(error.value)


def test_a_key_that_the_recipe_lacks_is_found_before_anything_is_trained(tmp_path):
    recipe = write_recipe(tmp_path)
    with pytest.raises(KaryoscopeError, match="unknown key"):
        sweep(RecipeSource(str(recipe)), {"optimiser.lrr": [1.0]}, tmp_path / "out")
    with pytest.raises(KaryoscopeError, match="no score"):
        sweep(
            RecipeSource(str(recipe)), {"optimiser.lr": [1.0]}, tmp_path / "out", score="accuracy"
        )
    assert not (tmp_path / "out").exists()


def test_whole_numbers_stay_whole():
    import optuna

    trial = optuna.trial.FixedTrial({"a": 4, "b": 0.5})
    assert Range(low=2, high=8, step=2).draw(trial, "a") == 4
    assert Range(low=0, high=1.0).draw(trial, "b") == 0.5
