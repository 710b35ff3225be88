"""``stain`` of a recipe: on the images of training and validation, in the pack, in the bundle."""

import numpy as np
import pytest
import yaml
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

import tiny_model  # noqa: E402
from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.evaluation import ModelPredictions  # noqa: E402
from karyoscope.inference import Model, find_bundle, load_model  # noqa: E402
from karyoscope.pipeline import load_stain, segment  # noqa: E402
from karyoscope.stains import build_normaliser  # noqa: E402
from karyoscope.training import load_recipe, train  # noqa: E402
from karyoscope.training.bundle.export import export_bundle  # noqa: E402
from karyoscope.training.data.images import (  # noqa: E402
    ValidationImages,
    load_training_bank,
    split_records,
)
from karyoscope.training.packed.files import (  # noqa: E402
    read_packed,
    read_packed_validation,
    write_packed,
)
from karyoscope.training.packed.recipe import pack  # noqa: E402


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_recipe(tmp_path_factory.mktemp("stained"), training={"steps": 1})


@pytest.fixture(scope="module")
def recipes(path):
    return load_recipe(path), load_recipe(path, ["stain=clahe"])


def validation(recipe):
    images = ValidationImages(recipe)
    return [images[k] for k in range(len(images))]


def equalised(rgb):
    return build_normaliser("clahe").fit(rgb[:0])(rgb)


def test_a_recipe_without_has_none(recipes):
    plain, own = recipes
    assert (plain.stain, own.stain) == (None, "clahe")


@pytest.mark.parametrize("name", ["macenko", "claeh", "clahe:x.png"])
def test_stains_that_a_bundle_could_not_hold(path, name, tmp_path):
    with pytest.raises(KaryoscopeError, match=r"stain: .* is no stain .*; there are clahe"):
        load_recipe(path, [f"stain='{name}'"])
    written = tmp_path / "recipe.yaml"
    written.write_text(f"stain: '{name}'\n" + path.read_text("utf-8"))
    with pytest.raises(KaryoscopeError, match="line 1: stain: ") as caught:
        load_recipe(written)
    assert "\n" not in str(caught.value)


def test_training_and_validation_images_go_through_it_once(recipes):
    plain, own = (load_training_bank(recipe) for recipe in recipes)
    for k in range(len(plain)):
        start, height, width = int(plain.starts[k]), int(plain.heights[k]), int(plain.widths[k])
        before, after = (
            bank.rgb[start : start + height * width].numpy().reshape(height, width, 3)
            for bank in (plain, own)
        )
        np.testing.assert_array_equal(after, equalised(before))
        assert not np.array_equal(after, before)
    assert torch.equal(plain.ids, own.ids)
    for before, after in zip(*map(validation, recipes), strict=True):
        np.testing.assert_array_equal(after.image, equalised(before.image))
        np.testing.assert_array_equal(after.inst_map, before.inst_map)


def test_a_pack_with_a_stain_is_not_read_without_it(recipes, tmp_path):
    plain, own = recipes
    bank = load_training_bank(own)
    write_packed(bank, own, tmp_path / "set.safetensors")
    assert torch.equal(read_packed(tmp_path / "set.safetensors", own).rgb, bank.rgb)
    words = "has the stain clahe, the recipe none: pack it again"
    with pytest.raises(KaryoscopeError, match=words):
        read_packed(tmp_path / "set.safetensors", plain)


def test_a_stain_that_cannot_be_given_is_one_line(recipes, tmp_path, monkeypatch):
    from karyoscope.training.packed import files

    pack(recipes[0], tmp_path / "set.safetensors")
    monkeypatch.setattr(files, "can_validate", lambda: False)
    read_packed(tmp_path / "set.safetensors", recipes[0])
    with pytest.raises(KaryoscopeError, match="have no stain, the recipe has clahe: pack them"):
        read_packed(tmp_path / "set.safetensors", recipes[1])


@pytest.mark.parametrize("name", ["set.safetensors", "set.zip"])
def test_a_pack_without_a_stain_is_read_as_the_images_are(recipes, tmp_path, name):
    limit = 2**25 if name.endswith("zip") else None
    pack(recipes[0], tmp_path / name, limit)
    for recipe in recipes:
        read, wanted = read_packed(tmp_path / name, recipe), load_training_bank(recipe)
        assert torch.equal(read.rgb, wanted.rgb)
        assert torch.equal(read.ids, wanted.ids)
        if limit is None:
            continue
        images = read_packed_validation(tmp_path / name, recipe)
        for sample, other in zip(images, validation(recipe), strict=True):
            np.testing.assert_array_equal(sample.image, other.image)


def test_tiles_that_calibrate_integers_go_through_it(recipes):
    pytest.importorskip("onnxruntime")
    from karyoscope.training.bundle.quantisation import calibration_tiles

    before, after = (calibration_tiles(recipe, count=1, edge=64) for recipe in recipes)
    assert before.shape == after.shape
    assert not np.array_equal(before, after)


def test_evaluation_sees_what_validation_saw(recipes, tmp_path, tiny_bundle):
    card = yaml.safe_load((tiny_bundle / "model.yaml").read_text("utf-8"))
    path = tiny_model.write_bundle(tmp_path / "own", input=card["input"] | {"stain": "clahe"})
    own, plain = (load_model(bundle, "cpu", 1) for bundle in (path, tiny_bundle))
    by_hand = ModelPredictions(plain, load_stain("clahe"))
    for before, after in zip(*map(validation, recipes), strict=True):
        found = ModelPredictions(own).load(before)
        for expected in (ModelPredictions(plain).load(after), by_hand.load(before)):
            np.testing.assert_array_equal(found.inst_map, expected.inst_map)
            np.testing.assert_array_equal(found.classes, expected.classes)
        assert found.inst_map.any()
    assert ModelPredictions(own).describe() == "model tiny 1"
    assert by_hand.describe() == "model tiny 1, stain clahe"


def test_from_recipe_to_bundle_to_nuclei(recipes, tmp_path):
    _, own = recipes
    train(own, tmp_path / "run", device="cpu")
    assert load_recipe(tmp_path / "run" / "recipe.yaml").stain == "clahe"
    bundle = find_bundle(export_bundle(tmp_path / "run", tmp_path / "bundle"))
    assert bundle.card.input.stain == "clahe"
    sample = ValidationImages(own)[0]
    dataset, record = split_records(own)[1][0]
    seen = []

    class Watched(Model):
        def predict(self, rgb):
            seen.append(rgb)
            return super().predict(rgb)

    loaded = load_model(bundle, "cpu", 1)
    segment(dataset.load(record).image, 0.5, Watched(bundle, loaded.engine))
    assert any(np.array_equal(rgb, sample.image) for rgb in seen)


def test_a_bundle_without_does_not_name_it(recipes, tmp_path):
    """So that it is read by versions that know of none."""
    plain, _ = recipes
    train(plain, tmp_path / "run", device="cpu")
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    card = yaml.safe_load((tmp_path / "bundle" / "model.yaml").read_text("utf-8"))
    assert "stain" not in card["input"]
