"""Weights between parent and child: the laws of the mixture, who chooses it, what is written."""

import json
import shutil
from functools import partial

import pytest
from own_images import own_images
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.inference import find_bundle  # noqa: E402
from karyoscope.training import load_recipe, train  # noqa: E402
from karyoscope.training.bundle import export_bundle  # noqa: E402
from karyoscope.training.crossval import cross_validate  # noqa: E402
from karyoscope.training.interpolation import (  # noqa: E402
    ParentWeights,
    read_parent,
    write_parent,
)
from karyoscope.training.keep_parent import keep_of_parent, read_kept  # noqa: E402
from karyoscope.training.source import RecipeSource, recipe_of  # noqa: E402
from karyoscope.training.weights import bears_half, read_weights  # noqa: E402

SMALL = {"name": "shared_unet", "encoder": "test_efficientnet", "channels": [8, 8, 8, 8]}


def weights(seed):
    draw = torch.Generator().manual_seed(seed)
    return {
        "kernel": torch.randn(4, 3, 3, 3, generator=draw),
        "head.weight": torch.randn(3, 8, generator=draw),
        "bn.running_mean": torch.randn(8, generator=draw),
        "bn.running_var": torch.rand(8, generator=draw),
        "bn.num_batches_tracked": torch.tensor(seed),
    }


def test_the_ends_of_the_line_are_parent_and_tuned_to_the_last_bit():
    tuned, parent = weights(1), weights(2)
    line = ParentWeights(parent, {})
    none, whole = line.mixed(tuned, 0), line.mixed(tuned, 1)
    for name, own in tuned.items():
        assert torch.equal(none[name], own)
        counter = name.endswith("tracked")
        assert torch.equal(whole[name], own if counter else parent[name])


def test_between_them_every_value_moves_by_the_share_and_variances_stay_positive():
    tuned, parent = weights(1), weights(2)
    found = ParentWeights(parent, {}).mixed(tuned, 0.25)
    for name in ("kernel", "bn.running_mean", "bn.running_var"):
        torch.testing.assert_close(found[name], 0.75 * tuned[name] + 0.25 * parent[name])
    assert (found["bn.running_var"] > 0).all()
    # What training did not change is not changed by rounding either.
    same = ParentWeights(tuned, {}).mixed(tuned, 0.3)
    assert all(torch.equal(same[name], tuned[name]) for name in tuned)


def test_tensors_and_rows_that_are_new_are_not_mixed():
    tuned, parent = weights(1), weights(2)
    del parent["kernel"]
    for share in (0.5, 1.0):
        found = ParentWeights(parent, {"head.weight": [2]}).mixed(tuned, share)
        assert torch.equal(found["kernel"], tuned["kernel"])
        assert torch.equal(found["head.weight"][2], tuned["head.weight"][2])
        assert not torch.equal(found["head.weight"][1], tuned["head.weight"][1])
    with pytest.raises(KaryoscopeError, match=r"from 0 to 1, not 1\.5"):
        ParentWeights(parent, {}).mixed(tuned, 1.5)
    with pytest.raises(KaryoscopeError, match="of another network"):
        ParentWeights({"kernel": torch.zeros(2)}, {}).mixed(tuned, 0.5)


def test_the_parent_is_kept_without_loss(tmp_path):
    parent = weights(3) | {"large": torch.randn(64, 64), "half": torch.randn(64, 64).half().float()}
    write_parent(ParentWeights(parent, {"head.weight": [1], "kernel": []}), tmp_path)
    found = read_parent(tmp_path)
    assert found.new_rows == {"head.weight": [1]}
    assert found.tensors.keys() == parent.keys()
    assert all(torch.equal(found.tensors[name], parent[name]) for name in parent)
    (tmp_path / "parent.safetensors").write_text("nothing")
    with pytest.raises(KaryoscopeError, match="holds no weights of a parent"):
        read_parent(tmp_path)
    with pytest.raises(KaryoscopeError, match="trained without start"):
        read_parent(tmp_path / "elsewhere")


@pytest.fixture
def chosen(tmp_path):
    """What is chosen for a network of one weight (tuned 0, parent 1), by scores of its shares."""
    recipe = load_recipe(
        write_recipe(tmp_path / "data", network=SMALL),
        keys={"start": "lizard"},
        changes=["training.keep_parent=choose"],
    )

    def choose(scores, name="val/mpq_plus"):
        network = torch.nn.Linear(1, 1, bias=False)
        network.weight.data.zero_()
        parent = ParentWeights({"weight": torch.ones(1, 1)}, {})
        kept = keep_of_parent(
            recipe, network, parent, lambda net: {name: scores[net.weight.item()]}
        )
        assert network.weight.item() == kept.share
        return kept

    return choose


def test_the_share_with_the_highest_score_is_chosen_and_of_equal_ones_the_largest(chosen):
    kept = chosen({0: 0.1, 0.25: 0.4, 0.5: 0.3, 0.75: 0.4, 1: 0.2})
    assert (kept.share, kept.chosen_by) == (0.75, "mpq_plus")
    assert kept.scores["0.25"] == {"mpq_plus": 0.4}
    assert chosen({0: 0.5, 0.25: 0.4, 0.5: 0.3, 0.75: 0.4, 1: 0.2}, "val/f_c").share == 0
    nan = float("nan")
    kept = chosen({0: nan, 0.25: nan, 0.5: 0.1, 0.75: nan, 1: nan})
    assert kept.share == 0.5
    assert "nan" not in json.dumps(kept.to_dict()).lower()
    assert "chosen by mpq_plus on the validation images (0.5 0.100)" in str(kept)
    with pytest.raises(KaryoscopeError, match="no validation score"):
        chosen(dict.fromkeys((0, 0.25, 0.5, 0.75, 1), nan))


def test_what_cannot_be_is_an_error_of_the_recipe(tmp_path):
    tiny = partial(load_recipe, write_recipe(tmp_path / "data"))
    with pytest.raises(KaryoscopeError, match=r"keep_parent=0.5.*no parent whose weights"):
        tiny(["training.keep_parent=0.5"])
    for wrong in ("1.5", "-0.1", "some", "true"):
        with pytest.raises(KaryoscopeError, match="a number from 0 to 1, or choose"):
            tiny([f"training.keep_parent={wrong}", "start=lizard"])


def rounded(tensor):
    """A tensor as bundles hold it."""
    return tensor.half().float() if bears_half(tensor) else tensor


@pytest.fixture
def tuned(tmp_path):
    """A function that trains from a run, with some changes; returns the run."""
    path = write_recipe(tmp_path / "data", network=SMALL, optimiser={"lr": 0.01})
    train(load_recipe(path), tmp_path / "parent", device="cpu")

    def run(name, *changes, **options):
        keys = {"start": str(tmp_path / "parent")}
        train(load_recipe(path, changes, keys), tmp_path / name, device="cpu", **options)
        return tmp_path / name

    return run


def test_a_run_ends_with_the_share_that_its_recipe_says(tuned, tmp_path):
    run = tuned("run", "training.keep_parent=0.5")
    whole, parent = read_weights(run / "last.ckpt"), read_weights(tmp_path / "parent")
    mixed = read_weights(run / "weights.safetensors")
    name = next(k for k, v in whole.items() if v.ndim == 4 and not torch.equal(v, parent[k]))
    middle = (whole[name] + parent[name]) / 2
    torch.testing.assert_close(mixed[name], middle, atol=1e-3, rtol=1e-3)
    kept = read_kept(run)
    assert (kept.share, kept.chosen_by) == (0.5, "")
    # The curve ends with the score of what is shipped.
    last = (run / "log.csv").read_text("utf-8").splitlines()
    row = dict(zip(last[0].split(","), last[-1].split(","), strict=True))
    assert float(row["val/pq"]) == pytest.approx(kept.scores["0.5"]["pq"], abs=1e-4)
    # The bundle has the same weights from either file, and other ones where others are asked for.
    shutil.rmtree(tmp_path / "parent")
    for checkpoint in ("last.ckpt", "weights.safetensors"):
        bundle = find_bundle(export_bundle(run, tmp_path / "bundle", checkpoint))
        found = read_weights(bundle.path)[name]
        torch.testing.assert_close(found, middle, atol=2e-3, rtol=2e-3)
        assert bundle.card.training["keep_parent"]["share"] == 0.5
        assert "0.5 of the parent's and 0.5 of those" in bundle.read("README.md").decode()
    other = find_bundle(export_bundle(run, tmp_path / "other", keep_parent=1))
    found = read_weights(other.path)[name]
    assert torch.equal(found, rounded(parent[name]))
    assert other.card.training["keep_parent"] == {"share": 1}
    none = find_bundle(export_bundle(run, tmp_path / "none", keep_parent=0))
    assert "keep_parent" not in none.card.training
    with pytest.raises(KaryoscopeError, match=r"0.5 of the parent's.*--checkpoint last.ckpt"):
        export_bundle(run, tmp_path / "other", "weights.safetensors", keep_parent=0.25)


def test_a_choice_is_validated_and_written_and_a_run_may_go_on(tuned, tmp_path):
    run = tuned("run", "training.keep_parent=choose")
    kept = json.loads((run / "keep_parent.json").read_text("utf-8"))
    assert list(kept["scores"]) == ["0", "0.25", "0.5", "0.75", "1"]
    best = max(scores[kept["chosen_by"]] for scores in kept["scores"].values())
    assert kept["scores"][f"{kept['share']:g}"][kept["chosen_by"]] == best
    card = find_bundle(export_bundle(run, tmp_path / "bundle")).card
    assert card.training["keep_parent"] == kept
    # It goes on from the tuned weights, with the parent that it began with.
    shutil.rmtree(tmp_path / "parent")
    longer = load_recipe(run / "recipe.yaml", ["training.steps=6", "training.keep_parent=1"])
    train(longer, run, resume=True, device="cpu")
    assert read_kept(run).share == 1
    parent = read_parent(run).tensors
    found = read_weights(run / "weights.safetensors")
    assert all(torch.allclose(found[k], v, atol=1e-3) for k, v in parent.items() if v.ndim == 4)


def test_a_run_by_the_clock_keeps_of_its_parent(tuned):
    run = tuned("run", "training.keep_parent=1", seconds=1.0)
    parent = read_parent(run).tensors
    found = read_weights(run / "weights.safetensors")
    assert all(torch.allclose(found[k], v, atol=1e-3) for k, v in parent.items() if v.ndim == 4)
    assert read_kept(run).scores["1"]


def test_runs_without_parent_have_nothing_to_keep(tmp_path):
    path = write_recipe(tmp_path / "data", network=SMALL)
    train(load_recipe(path), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "keep_parent.json").exists()
    with pytest.raises(KaryoscopeError, match="trained without start"):
        export_bundle(tmp_path / "run", tmp_path / "bundle", keep_parent=0.5)


def test_nothing_is_chosen_on_the_images_of_a_fold(tmp_path):
    own_images(tmp_path / "own", 4)
    wanted = RecipeSource(data=tmp_path / "own", start="lizard", mpp=0.5)
    changes = ["training.keep_parent=choose"]
    with pytest.raises(KaryoscopeError, match="choose on the images that a fold is scored on"):
        cross_validate(wanted, tmp_path / "folds", folds=2, changes=changes, device="cpu")


def test_rows_of_new_classes_are_not_the_parents(tmp_path):
    """Of a shipped model: its epithelium and a class that it does not know."""
    root = tmp_path / "own"
    for name in own_images(root, 3):
        (root / "labels" / f"{name}.csv").write_text("id,class\n1,Epithelial\n2,unheard\n")
    small = ["training.batch_size=1", "training.tile=64", "training.precision=fp32"]
    recipe = recipe_of(
        RecipeSource(data=root, start="lizard", mpp=0.5),
        tmp_path / "run",
        [*small, "training.keep_parent=1", "training.statistics=batch", "optimiser.warmup=0"],
        steps=1,
    )
    train(recipe, tmp_path / "run", device="cpu")
    parent, tuned = read_parent(tmp_path / "run"), read_weights(tmp_path / "run" / "last.ckpt")
    found = read_weights(tmp_path / "run" / "weights.safetensors")
    names = [c["name"] for c in recipe.taxonomy["classes"]]
    new, known = 1 + names.index("unheard"), 1 + names.index("epithelial")
    (head,) = [k for k in parent.new_rows if k.endswith("weight")]
    per_class = len(tuned[head]) // (1 + len(names))
    assert parent.new_rows[head] == list(range(per_class * new, per_class * (new + 1)))
    assert torch.allclose(found[head][per_class * new], tuned[head][per_class * new], atol=1e-3)
    row = per_class * known
    assert torch.allclose(found[head][row], parent.tensors[head][row], atol=1e-4)
    # Statistics of batch normalisation are the parent's again, too.
    for name in (k for k in found if k.endswith(("running_mean", "running_var"))):
        assert torch.equal(found[name], parent.tensors[name])
        assert not torch.equal(found[name], tuned[name])
