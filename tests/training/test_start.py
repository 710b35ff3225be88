"""Models to start from: what is loaded, which rows a class begins with, what a recipe may omit."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import yaml
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.core.taxonomy import NucleusClass, Taxonomy  # noqa: E402
from karyoscope.inference import find_bundle  # noqa: E402
from karyoscope.networks import build_network  # noqa: E402
from karyoscope.training import load_recipe, train  # noqa: E402
from karyoscope.training.recipe.parent import find_parent  # noqa: E402
from karyoscope.training.start import matched_classes, start_from  # noqa: E402
from karyoscope.training.weights import read_weights, step_of, write_weights  # noqa: E402

SMALL = {"name": "shared_unet", "encoder": "test_efficientnet", "channels": [8, 8, 8, 8]}
OPTIONS = {k: v for k, v in SMALL.items() if k != "name"}


def taxonomy(name, *names, **more):
    classes = tuple(NucleusClass(i, n, (i, i, i)) for i, n in enumerate(names, start=1))
    return Taxonomy(name, classes, **more)


@pytest.fixture
def tiny(tmp_path):
    return partial(write_recipe, tmp_path / "data")


@pytest.fixture
def own_recipe(tiny):
    """A recipe of the small network for some classes that starts from something."""
    path = tiny(network=SMALL)

    def load(start, classes, **network):
        changes = [f"network.{k}={str(v).lower()}" for k, v in network.items()]
        keys = {"start": str(start), "taxonomy": classes.to_dict()}
        return load_recipe(path, changes, keys)

    return load


def test_weights_of_another_model_are_loaded_where_they_fit(own_recipe, tmp_path):
    torch.manual_seed(0)
    parent = build_network("shared_unet", 3, **OPTIONS)
    write_weights(parent, tmp_path / "parent.safetensors", step=70)
    assert step_of(tmp_path / "parent.safetensors") == 70
    recipe = own_recipe(
        tmp_path / "parent.safetensors", taxonomy("five", *"abcde"), anti_aliased=True
    )
    child = build_network("shared_unet", 5, **recipe.network.options)
    start = start_from(child, recipe)
    # Another number of classes; everything else fits, kernels one pixel larger included.
    assert start.new == ["heads.types.1.weight", "heads.types.1.bias"]
    stem = next(k for k in child.state_dict() if k.endswith("conv_stem.weight"))
    mean = child.state_dict()[stem].sum((2, 3)), parent.state_dict()[stem].sum((2, 3))
    torch.testing.assert_close(*mean, atol=1e-2, rtol=1e-2)


def test_rows_of_the_class_head_are_matched_by_name(own_recipe, tmp_path):
    """Of a run: its recipe says what its rows are, whatever their order and case."""
    torch.manual_seed(0)
    parent = build_network("shared_unet", 3, **OPTIONS)
    first = taxonomy("first", "epithelial", "lymphocyte", "plasma")
    run = tmp_path / "run"
    run.mkdir()
    write_weights(parent, run / "weights.safetensors")
    recipe = own_recipe("lizard", first)
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    merges = {"first": {"immune": "lymphocyte"}}
    second = taxonomy("second", "Plasma", "new", "immune", "Epithelial", merges=merges)
    recipe = own_recipe(run, second)
    child = build_network("shared_unet", 4, **OPTIONS)
    before = child.state_dict()["heads.types.1.weight"].clone()
    start = start_from(child, recipe)
    assert start.new == []
    assert start.classes == {
        "Plasma": ["plasma"], "new": [], "immune": ["lymphocyte"], "Epithelial": ["epithelial"]
    }  # fmt: skip
    given = parent.state_dict()["heads.types.1.weight"]
    found = child.state_dict()["heads.types.1.weight"]
    # Background, plasma, immune, epithelial are the parent's; the new class is as it was.
    torch.testing.assert_close(found[[0, 1, 3, 4]], given[[0, 3, 2, 1]], atol=1e-3, rtol=1e-2)
    torch.testing.assert_close(found[2], before[2])
    assert "class new: new" in str(start)
    assert "class immune: as lymphocyte" in str(start)


def test_a_class_of_several_begins_with_their_mean():
    lizard, consep = Taxonomy.load("lizard"), Taxonomy.load("consep")
    found = matched_classes(lizard, consep)
    assert found["inflammatory"] == ["neutrophil", "lymphocyte", "plasma", "eosinophil"]
    assert found["healthy epithelial"] == found["malignant epithelial"] == ["epithelial"]
    assert found["other"] == []


def test_merged_classes_begin_as_the_tuned_model_sums_them():
    """On real tissue; the weights that the model was tuned with would otherwise be lost."""
    from karyoscope.inference.torch_engine import torch_module
    from karyoscope.training.recipe.reading import load_recipe

    bundle = find_bundle("lizard")
    weights = bundle.card.postprocessing.params["class_weights"]
    names, four = bundle.taxonomy.names, Taxonomy.load("consep4")
    recipe = load_recipe("finetune", ["taxonomy=consep4"])
    assert "class_weights" not in recipe.postprocessing.options
    child = torch_module(bundle)
    image = torch.from_numpy(tissue()[None])
    with torch.inference_mode():
        whole = child(image)["tp"]
        child.network = build_network(recipe.network.name, 4, **recipe.network.untrained).eval()
        start = start_from(child.network, recipe)
        found = child(image)["tp"]
    known = [name for name in four.names if start.classes[name]]
    summed = torch.stack(
        [
            sum(weights[part] * whole[..., 1 + names.index(part)] for part in start.classes[name])
            for name in known
        ],
        -1,
    )
    own = found[..., [1 + four.names.index(name) for name in known]]
    nuclei = whole[..., 0] < 0.5
    agree = (summed.argmax(-1) == own.argmax(-1))[nuclei].float().mean()
    assert nuclei.sum() > 500
    assert agree > 0.9


def tissue():
    import cv2

    folder = Path(__file__).parents[1] / "data" / "dsb2018" / "images"
    return cv2.cvtColor(cv2.imread(str(min(folder.glob("*.png")))), cv2.COLOR_BGR2RGB)[:256, :256]


def test_weights_of_nothing_alike_are_refused(own_recipe, tmp_path):
    two = taxonomy("two", "a", "b")
    write_weights(torch.nn.Linear(3, 3), tmp_path / "linear.safetensors")
    network = build_network("shared_unet", 2, **OPTIONS)
    with pytest.raises(KaryoscopeError, match=r"no weight of .* fits"):
        start_from(network, own_recipe(tmp_path / "linear.safetensors", two))
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(KaryoscopeError, match="holds no weights"):
        start_from(network, own_recipe(tmp_path / "text.safetensors", two))
    with pytest.raises(KaryoscopeError, match="no model 'nothing'"):
        find_parent("nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(KaryoscopeError, match="neither a bundle"):
        find_parent(str(tmp_path / "empty"))


def test_a_bundle_is_read_as_a_folder_and_as_a_zip_file(tmp_path):
    bundle = find_bundle("lizard")
    archive = shutil.make_archive(str(tmp_path / "lizard"), "zip", bundle.path)
    folder, zipped = (read_weights(p) for p in (bundle.path, tmp_path / "lizard.zip"))
    assert folder.keys() == zipped.keys()
    assert find_parent(archive).keys == find_parent("lizard").keys


def test_a_recipe_takes_from_its_parent_what_it_leaves_out(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text(
        "name: short\nstart: lizard-large\ntaxonomy: consep4\ndata: [{path: nowhere}]\n"
        "validation: {split: nothing.json}\ntraining: {steps: 5}\n"
    )
    recipe, card = load_recipe(path), find_bundle("lizard-large").card
    assert recipe.network.name == card.network.name
    assert recipe.network.options == card.network.options
    assert (recipe.mpp, recipe.mean, recipe.licence) == (card.mpp, card.input.mean, card.licence)
    assert recipe.training.multiple_of == card.input.multiple_of
    # Weights by class are of the parent's classes, the other parameters stay.
    assert "class_weights" in card.postprocessing.params
    assert "class_weights" not in recipe.postprocessing.options
    assert load_recipe(path, keys={"taxonomy": None}).taxonomy == card.taxonomy
    assert load_recipe(path, ["mpp=0.25"]).mpp == 0.25


def test_a_run_is_a_parent(tiny, tmp_path):
    path = tiny(network=SMALL)
    train(load_recipe(path), tmp_path / "first", device="cpu")
    last = train(
        load_recipe(path, keys={"start": str(tmp_path / "first"), "name": "second"}),
        tmp_path / "second",
        device="cpu",
    )
    assert find_parent(str(last)).name == "second"
    first, second = (read_weights(tmp_path / name) for name in ("first", "second"))
    assert first.keys() == second.keys()
