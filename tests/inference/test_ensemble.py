"""Ensembles: the mean of what members say, and one line for each reason why there is none."""

import shutil
import zipfile

import numpy as np
import pytest
import yaml

import karyoscope
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.yaml import dump_yaml
from karyoscope.inference import Bundle, Engine, Ensemble, find_bundle, load_model
from karyoscope.inference.ensemble import EnsembleEngine
from karyoscope.inference.rewrite import rewrite_bundle
from tiny_model import CARD, assert_same_nuclei, write_bundle, write_card

OWN = {"format": 1, "kind": "ensemble", "name": "both", "version": "2", "licence": "CC0"}


@pytest.fixture
def pair(tmp_path, tiny_bundle):
    """Two bundles that differ in what an ensemble need not share."""
    first = write_bundle(tmp_path / "first", name="first", training={"validation": ["a", "b"]})
    spec = {"mean": [0, 0, 0], "std": [1, 1, 1], "multiple_of": 48, "context": 64}
    second = write_bundle(
        tmp_path / "second",
        name="second",
        licence="MIT",
        input=spec,
        training={"validation": ["b", "c"]},
        postprocessing={"name": "three_label", "params": {"min_area_um2": 50.0}},
    )
    return first, second


@pytest.fixture
def folder(pair, tmp_path):
    """An ensemble as a bundle of its own."""
    root = tmp_path / "ensemble"
    root.mkdir()
    for path in pair:
        shutil.copytree(path, root / path.name)
    (root / "model.yaml").write_text(dump_yaml(OWN | {"members": ["first", "second"]}))
    return root


class Constant(Engine):
    def __init__(self, value: float, shape=(1, 4, 6), device="here", dropout=False) -> None:
        self.value, self.shape, self.device, self.dropout = value, shape, device, dropout

    def run(self, images):
        return {"inside": np.full(self.shape, self.value, np.float32)}

    def run_at_random(self, images, number):
        return {"inside": np.full(self.shape, self.value + number, np.float32)}


IMAGE = np.zeros((1, 4, 6, 3), np.uint8)


def test_maps_are_averaged():
    engine = EnsembleEngine([Constant(1), Constant(2), Constant(6, dropout=True)], ["inside"])
    found = engine.run(IMAGE)["inside"]
    assert found.dtype == np.float32
    assert (found == 3).all()
    assert (engine.run_at_random(IMAGE, 4)["inside"] == 7).all()
    assert engine.dropout
    assert engine.device == "here, 3 models"


def test_a_map_that_a_member_lacks_is_left_out():
    engine = EnsembleEngine([Constant(1), Constant(1, (1, 2, 3))], ["inside"])
    assert engine.run(IMAGE) == {}
    assert EnsembleEngine([Constant(1)], ["inside", "tp"]).run(IMAGE).keys() == {"inside"}


def test_a_list_of_models(pair):
    found = find_bundle(",".join(map(str, pair)))
    assert isinstance(found, Ensemble)
    card = found.card
    assert (card.name, card.version, card.licence) == ("first+second", "1+1", "CC0 and MIT")
    assert (card.input.multiple_of, card.input.context) == (96, 64)
    assert card.postprocessing.params == {"min_area_um2": 6.0}
    assert card.training["validation"] == ["b"], "what no member was trained on"
    assert found.taxonomy.names == ("blue", "brown")
    with pytest.raises(KaryoscopeError, match=r"an ensemble, which has no model\.onnx of its own"):
        found.read("model.onnx")


def test_training_images_of_a_member_that_does_not_tell(tiny_bundle, pair):
    assert "validation" not in find_bundle(f"{tiny_bundle},{pair[0]}").card.training


@pytest.mark.parametrize("form", ["folder", "zip", "zip of the folder"])
def test_a_bundle_of_bundles(folder, tmp_path, form):
    path = folder
    if form != "folder":
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*.*")):
                inside = file.relative_to(tmp_path if "folder" in form else folder)
                archive.write(file, inside)
    found = find_bundle(path)
    assert isinstance(found, Ensemble)
    assert (found.card.name, found.card.version) == ("both", "2")
    assert [member.card.name for member in found.members] == ["first", "second"]
    assert found.members[1].read("model.onnx") == (folder / "first/model.onnx").read_bytes()


def test_the_ensembles_own_parameters_come_first(folder):
    own = {"name": "three_label", "params": {"seed": 0.7}}
    card = OWN | {"members": ["second", "first"], "postprocessing": own, "counting": own}
    (folder / "model.yaml").write_text(dump_yaml(card))
    found = find_bundle(folder)
    assert found.card.postprocessing.params == found.card.counting.params == {"seed": 0.7}


def test_the_mean_of_a_model_with_itself_is_the_model(pair, example_slide):
    roi = (900, 1000, 300, 250)
    one, two = (
        karyoscope.segment(example_slide, model=model, device="cpu", threads=1, roi=roi)
        for model in (pair[0], f"{pair[0]},{pair[0]}")
    )
    assert len(one) > 5
    assert_same_nuclei(one, two)


def test_what_results_depend_on(pair):
    first, second = map(str, pair)
    lists = (f"{first},{second}", f"{second},{first}", f"{first},{first}", first, second)
    assert len({find_bundle(text).digest() for text in lists}) == 5
    assert find_bundle(lists[0]).digest() == find_bundle(lists[0]).digest()
    before = find_bundle(first).digest()
    card = yaml.safe_load((pair[0] / "model.yaml").read_text("utf-8"))
    (pair[0] / "model.yaml").write_text(dump_yaml(card | {"mpp": 0.4}))
    assert find_bundle(first).digest() != before


def test_views_and_members_together(folder):
    image = np.random.default_rng(0).integers(0, 256, (70, 50, 3), np.uint8)
    found = load_model(folder, "cpu", 1, tta=2).predict(image)
    assert found["inside"].shape == (70, 50)
    assert found["tp"].shape == (35, 25, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"input": CARD["input"] | {"stain": "clahe"}}, "stain differ: none; clahe$"),
        ({"mpp": 0.25}, r"scale differ: 0\.5 µm/px; 0\.25 µm/px"),
        ({"maps": {"inside": 1, "boundary": 1}}, "maps differ: boundary at stride 1, inside"),
        ({"maps": {"inside": 1, "boundary": 1, "tp": 1}}, "maps differ: .*tp at stride 2; .* 1$"),
        (
            {"taxonomy": {"name": "x", "classes": [{"id": 1, "name": "n", "color": [0, 0, 0]}]}},
            "classes differ: blue, brown; n",
        ),
    ],
)
def test_models_that_cannot_be_averaged(tiny_bundle, tmp_path, change, words):
    other = write_card(tmp_path / "other", name="other", **change)
    with pytest.raises(KaryoscopeError, match=words) as error:
        find_bundle(f"{tiny_bundle},{other}")
    assert "\n" not in str(error.value)
    assert "'tiny' and 'other'" in str(error.value)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (["../first"], "members.0: String should match"),
        (["/first"], "members.0: String should match"),
        (["first/../../second"], "members.0: String should match"),
        ([".."], "members.0: String should match"),
        ([], "members: List should have at least 1 item"),
        (["third"], r"ensemble/third has no readable model\.yaml"),
        (None, "members: Field required"),
    ],
)
def test_members_that_are_not_there(folder, members, words):
    own = OWN if members is None else OWN | {"members": members}
    (folder / "model.yaml").write_text(dump_yaml(own))
    with pytest.raises(KaryoscopeError, match=words) as error:
        find_bundle(folder)
    assert "\n" not in str(error.value)


def test_a_member_that_is_a_link_out_of_the_folder(folder, pair):
    shutil.rmtree(folder / "first")
    (folder / "first").symlink_to(pair[0])
    with pytest.raises(KaryoscopeError, match="holds a link that leaves it"):
        find_bundle(folder)


def test_an_ensemble_in_an_ensemble(folder, pair):
    shutil.copytree(folder, folder / "third")
    (folder / "model.yaml").write_text(dump_yaml(OWN | {"members": ["third"]}))
    with pytest.raises(KaryoscopeError, match="third is an ensemble, which cannot be used as one"):
        find_bundle(folder)
    with pytest.raises(KaryoscopeError, match="is an ensemble, which cannot be used as one"):
        Bundle(folder / "third")
    assert len(find_bundle(f"{folder / 'third'},{pair[0]}").members) == 3


@pytest.mark.parametrize("text", ["a,", ",", "first,,second"])
def test_names_that_are_missing(tmp_path, monkeypatch, pair, text):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pair[0], tmp_path / "a")
    with pytest.raises(KaryoscopeError, match="one name is empty"):
        find_bundle(text)


def test_a_list_is_written_as_a_bundle_and_read_again(pair, tmp_path):
    listed = find_bundle(f"{pair[0]},{pair[1]},{pair[0]}")
    spec = {"name": "three_label", "params": {"seed": 0.6}}
    out = rewrite_bundle(listed, tmp_path / "out", {"counting": spec})
    found = find_bundle(out)
    assert isinstance(found, Ensemble)
    assert [m.card.name for m in found.members] == ["first", "second", "first"]
    assert found.card.counting.params == {"seed": 0.6}
    assert found.card.postprocessing == listed.card.postprocessing
    assert found.card.input == listed.card.input
    again = rewrite_bundle(found, out, {"name": "named"})
    assert find_bundle(again).card.name == "named"
    assert find_bundle(again).members[0].read("model.onnx")


def test_parameters_to_count_with(tmp_path):
    pytest.importorskip("onnx", reason="writes the network of a model with onnx")
    plain = load_model(write_bundle(tmp_path / "plain"), "cpu", 1)
    assert plain.for_counting() is plain
    spec = {"name": "three_label", "params": {"min_area_um2": 60.0}}
    model = load_model(write_bundle(tmp_path / "a", counting=spec), "cpu", 1)
    counting = model.for_counting()
    assert counting.engine is model.engine
    assert counting.bundle.card.postprocessing.params == {"min_area_um2": 60.0}
    assert model.bundle.card.postprocessing.params == CARD["postprocessing"]["params"]
    assert counting.for_counting() is counting
