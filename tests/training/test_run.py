"""The whole way on a tiny network: train, stop, resume, export, segment."""

import numpy as np
import pytest
import yaml

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.split import Split, write_split

pytest.importorskip("lightning")

import torch

from karyoscope.training import load_recipe, train
from karyoscope.training.bundle.export import export_bundle


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory):
    """A recipe over committed images: a plain folder with a class table."""
    import shutil
    from pathlib import Path

    root = tmp_path_factory.mktemp("recipe")
    data = Path(__file__).parents[1] / "data" / "dsb2018"
    shutil.copytree(data, root / "data")
    names = sorted(p.stem for p in (root / "data" / "images").iterdir())
    counts = {"images": 0, "sources": 0, "cohorts": {}, "classes": {}}
    parts = {"train": names[2:], "validation": names[:2]}
    write_split(
        Split(parts, {"train": 0.8, "validation": 0.2}, 0, dict.fromkeys(parts, counts)),
        root / "split.json",
    )
    recipe = {
        "name": "tiny",
        "licence": "CC0",
        "taxonomy": "nucleus",
        "mpp": 0.5,
        "data": [{"dataset": "folder", "path": str(root / "data"),
                  "taxonomy": "nucleus", "mpp": 0.5}],
        "validation": {"split": str(root / "split.json"), "every": 4},
        "network": {"name": "shared_unet", "encoder": "tf_efficientnet_lite0",
                    "channels": [8, 8, 8, 8]},
        "losses": [{"name": "three_label"}, {"name": "centre"}, {"name": "prior_weighted_types"}],
        "training": {"steps": 4, "batch_size": 2, "tile": 64, "precision": "fp32"},
        "optimiser": {"decay": 0, "warmup": 0},
        "postprocessing": {"name": "three_label"},
    }  # fmt: skip
    path = root / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


@pytest.mark.slow
def test_a_resumed_run_equals_an_undisturbed_one(recipe_path, tmp_path):
    recipe = load_recipe(recipe_path)
    train(recipe, tmp_path / "parts", device="cpu")
    longer = load_recipe(recipe_path, ["training.steps=6"])
    train(longer, tmp_path / "parts", resume=True, device="cpu")
    train(longer, tmp_path / "whole", device="cpu")
    parts, whole = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("parts", "whole")
    )
    for key, value in whole.items():
        assert torch.allclose(parts[key].float(), value.float(), atol=1e-6), key


@pytest.mark.slow
def test_a_run_that_cannot_be_resumed_stays_as_it_was(recipe_path, tmp_path):
    out = tmp_path / "run"
    train(load_recipe(recipe_path), out, device="cpu")
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    other = load_recipe(recipe_path, ["training.steps=6", "network.channels=[16,8,8,8]"])
    with pytest.raises(KaryoscopeError, match=r"last\.ckpt does not fit this recipe"):
        train(other, out, resume=True, device="cpu")
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


@pytest.mark.slow
def test_a_trained_network_becomes_a_bundle_that_segments(recipe_path, tmp_path):
    import karyoscope

    out = tmp_path / "run"
    train(load_recipe(recipe_path), out, device="cpu")
    bundle = export_bundle(out, tmp_path / "bundle")
    rgb = np.full((100, 130, 3), 200, np.uint8)
    nuclei = karyoscope.segment(rgb, mpp=0.5, model=bundle, threads=1)
    assert nuclei.taxonomy.names == ("nucleus",)
    with pytest.raises(KaryoscopeError, match="--resume"):
        train(load_recipe(recipe_path), out, device="cpu")
