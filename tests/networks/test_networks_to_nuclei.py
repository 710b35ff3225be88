"""Every registered network goes the whole way: recipe, checkpoint, bundle, nuclei."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from tiny_networks import TINY, tiny

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

import karyoscope  # noqa: E402
from karyoscope.datasets.split import Split, write_split  # noqa: E402
from karyoscope.inference import find_bundle, load_model  # noqa: E402
from karyoscope.networks import NETWORKS  # noqa: E402
from karyoscope.networks.base import deployed_outputs  # noqa: E402
from karyoscope.networks.deployed import Deployed  # noqa: E402
from karyoscope.postprocessing import POSTPROCESSINGS  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "dsb2018"
#: Networks, and forms of theirs whose maps are made in another way.
FORMS = {name: {} for name in NETWORKS} | {"hovernet, two branches": {"outputs": ["types", "hv"]}}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """A recipe but for its network and post-processing, over two committed images."""
    root = tmp_path_factory.mktemp("recipe")
    names = sorted(path.stem for path in (DATA / "images").iterdir())[:2]
    for part in ("images", "labels"):
        (root / "data" / part).mkdir(parents=True)
        for name in names:
            shutil.copy(DATA / part / f"{name}.png", root / "data" / part)
    counts = {"images": 0, "sources": 0, "cohorts": {}, "classes": {}}
    parts = {"train": names[1:], "validation": names[:1]}
    shares = {"train": 0.5, "validation": 0.5}
    write_split(Split(parts, shares, 0, dict.fromkeys(parts, counts)), root / "split.json")
    source = {"dataset": "folder", "path": str(root / "data"), "taxonomy": "nucleus", "mpp": 0.5}
    return {
        "name": "tiny",
        "licence": "CC0",
        "taxonomy": "nucleus",
        "mpp": 0.5,
        "data": [source],
        "validation": {"split": str(root / "split.json")},
        "training": {"steps": 1},
    }


#: Output of a network -> a loss that reads it.
LOSSES = {
    "three_label": "three_label",
    "centre": "centre",
    "types": "types_cross_entropy",
    "np": "np_cross_entropy",
    "hv": "hv",
    "inner_contour": "inner_contour",
    "distance": "distance",
}


def postprocessing_for(network) -> str:
    """The first post-processing that reads what the network says."""
    maps = Deployed(network, [0.5] * 3, [0.25] * 3, deployed_outputs(network)).eval().strides()
    return next(name for name, method in POSTPROCESSINGS.items() if set(method.maps) <= set(maps))


def bundle_of(form: str, recipe: dict, folder: Path, monkeypatch, **more):
    """Bundle of a small, untrained network, by the way that a run takes."""
    from karyoscope.training.bundle import export

    # Rounding the weights of an untrained network says nothing about the way.
    monkeypatch.setattr(export, "with_half_weights", lambda graph: graph)
    name, options = form.split(",")[0], TINY[form.split(",")[0]] | FORMS[form] | more
    network = tiny(name, 1, **FORMS[form], **more)
    parts = {
        "network": {"name": name} | options,
        "postprocessing": {"name": postprocessing_for(network)},
        "losses": [{"name": LOSSES[output]} for output in network.outputs],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe | parts))
    state = {f"network.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": state}, folder / "last.ckpt")
    return find_bundle(export.export_bundle(folder, folder / "bundle"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*legacy TorchScript:DeprecationWarning")
@pytest.mark.parametrize("form", sorted(FORMS))
def test_from_recipe_to_nuclei(form, recipe, tmp_path, example_slide, monkeypatch):
    bundle = bundle_of(form, recipe, tmp_path, monkeypatch)
    method = bundle.card.postprocessing.name
    assert set(POSTPROCESSINGS[method].maps) <= set(bundle.card.maps)
    assert "tp" in bundle.card.maps, "nuclei have a class"
    tile = np.ascontiguousarray(tifffile.imread(example_slide)[1000:1130, 900:1060])
    nuclei = karyoscope.segment(tile, 0.5, bundle.path, device="cpu", threads=1)
    assert nuclei.taxonomy.names == ("nucleus",)
    # An untrained network may be so sure of background that nothing is left for the class.
    assert set(nuclei.class_id.tolist()) <= {0, 1}
    assert ((nuclei.x > 0) & (nuclei.x < 160) & (nuclei.y > 0) & (nuclei.y < 130)).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*legacy TorchScript:DeprecationWarning")
def test_dropout_at_test_time_on_a_cpu(recipe, tmp_path, example_slide, monkeypatch):
    """--device torch --tta 16 differs from OpenVINO by its dropout, and by nothing else."""
    bundle = bundle_of("two_decoder_unet", recipe, tmp_path, monkeypatch, dropout=0.5)
    tile = np.ascontiguousarray(tifffile.imread(example_slide)[1000:1096, 900:996])
    maps = {}
    for device in ("torch", "cpu"):
        for views in (1, 16):
            model = load_model(bundle, device, 1, tta=views)
            assert model.engine.dropout == (device == "torch")
            maps[device, views] = model.predict(tile)["inside"]
    # OpenVINO may compute in bf16.
    rounding, dropped = (np.abs(maps["torch", n] - maps["cpu", n]).mean() for n in (1, 16))
    assert rounding < 0.02
    assert dropped > 3 * rounding
    again = load_model(bundle, "torch", 1, tta=16).predict(tile)["inside"]
    np.testing.assert_array_equal(again, maps["torch", 16])


def test_networks_and_post_processings_belong_together():
    expected = {
        "shared_unet": "three_label",
        "two_decoder_unet": "three_label",
        "hovernet": "hover",
        "hovernet, two branches": "hover",
        "resunet34": "contour",
        "unet": "contour",
        "fcn8s": "contour",
        "micronet": "contour",
        "segnet": "contour",
        "dcan": "contour",
        "dist": "distance",
    }
    assert set(expected) == set(FORMS)
    for form, method in expected.items():
        assert postprocessing_for(tiny(form.split(",")[0], 1, **FORMS[form])) == method


def test_nuclear_pixels_of_two_branches_are_those_of_any_class():
    network = tiny("hovernet", 3, outputs=["types", "hv"])
    module = Deployed(network, [0.5] * 3, [0.25] * 3, ["types", "hv"]).eval()
    images = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        maps = module(images)
    assert module.strides() == {"tp": 1, "hv": 1, "np": 1}
    torch.testing.assert_close(maps["np"], maps["tp"][..., 1:].sum(-1), atol=1e-5, rtol=0)
