"""From a folder of one's own to a bundle: no recipe written, and the run is enough to export."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from own_images import own_images

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.core.taxonomy import Taxonomy  # noqa: E402
from karyoscope.datasets.split import read_split  # noqa: E402
from karyoscope.inference import find_bundle  # noqa: E402
from karyoscope.training import train_from  # noqa: E402
from karyoscope.training.bundle import export_bundle  # noqa: E402
from karyoscope.training.crossval import cross_validate  # noqa: E402
from karyoscope.training.data.own import own_data  # noqa: E402
from karyoscope.training.source import RecipeSource, recipe_of  # noqa: E402

SMALL = ["training.batch_size=2", "training.tile=64", "training.precision=fp32"]


@pytest.fixture
def own(tmp_path):
    """A few real images; the tables name classes in upper and lower case."""
    import cv2
    import numpy as np

    root = tmp_path / "own"
    names = own_images(root, 4)
    for k, name in enumerate(names):
        ids = np.unique(cv2.imread(str(root / "labels" / f"{name}.png"), cv2.IMREAD_UNCHANGED))
        rows = [f"{i},{('Tumour', 'tumour', 'Immune')[(i + k) % 3]}" for i in ids if i]
        (root / "labels" / f"{name}.csv").write_text("\n".join(["id,class", *rows]) + "\n")
    return root


def test_a_folder_is_recognised_and_split(own, tmp_path):
    keys = own_data(own, tmp_path / "run", mpp=0.5)
    assert [c["name"] for c in keys["taxonomy"]["classes"]] == ["immune", "tumour"]
    parts = read_split(keys["validation"]["split"]).parts
    assert sorted(parts) == ["train", "validation"]
    assert sum(map(len, parts.values())) == 4
    with pytest.raises(KaryoscopeError, match="unknown; give --mpp"):
        own_data(own, tmp_path / "run")
    (own / "records.csv").write_text(
        "name,source\n" + "".join(f"{p.stem},one\n" for p in (own / "images").iterdir())
    )
    with pytest.raises(KaryoscopeError, match=r"one source, 'one'.*records\.csv"):
        own_data(own, tmp_path / "run", mpp=0.5)


@pytest.mark.parametrize("part", ["images", "labels"])
def test_a_folder_of_which_no_image_can_be_used_is_one_line(own, tmp_path, part):
    paths = sorted((own / part).glob("*.png"))
    for path in paths:
        path.write_bytes(b"no picture")
    source = RecipeSource(data=own, start="lizard", mpp=0.5)
    for command in (train_from, cross_validate):
        with pytest.raises(KaryoscopeError) as error:
            command(source, tmp_path / "run", device="cpu")
        text = str(error.value)
        assert text.startswith(f"{own}: no image can be used: {paths[0]}: not a readable")
        assert paths[1].name not in text
        assert "\n" not in text


def test_parts_that_the_folder_names_are_kept(own, tmp_path):
    for k, image in enumerate(sorted((own / "images").iterdir())):
        for part, suffixes in (("images", [".png"]), ("labels", [".png", ".csv"])):
            folder = own / ("val" if k == 0 else "train") / part
            folder.mkdir(parents=True, exist_ok=True)
            for suffix in suffixes:
                shutil.move(own / part / f"{image.stem}{suffix}", folder)
    keys = own_data(own, tmp_path / "run", mpp=0.5)
    assert keys["validation"]["part"] == "val"
    parts = read_split(keys["validation"]["split"]).parts
    assert {part: len(names) for part, names in parts.items()} == {"train": 3, "val": 1}


def test_classes_with_gaps_are_numbered_for_the_network(own, tmp_path):
    classes = [{"id": i, "name": n, "color": [i, i, i]} for i, n in ((3, "Tumour"), (9, "immune"))]
    (own / "dataset.yaml").write_text(
        yaml.safe_dump({"mpp": 0.5, "taxonomy": {"name": "mine", "classes": classes}})
    )
    keys = own_data(own, tmp_path / "run")
    assert [c["id"] for c in keys["taxonomy"]["classes"]] == [1, 2]


def test_images_without_classes_keep_those_of_the_model(own, tmp_path):
    for table in (own / "labels").glob("*.csv"):
        table.unlink()
    recipe = recipe_of(RecipeSource(data=own, start="lizard", mpp=0.5), tmp_path / "run", SMALL)
    assert [c["name"] for c in recipe.taxonomy["classes"]] == list(
        find_bundle("lizard").taxonomy.names
    )


def test_nothing_named_is_an_error(tmp_path):
    with pytest.raises(KaryoscopeError, match="name a recipe, or give a folder"):
        recipe_of(RecipeSource(), tmp_path)
    with pytest.raises(KaryoscopeError, match="layout is a property of a folder of images"):
        RecipeSource("lizard", layout="folder")
    with pytest.raises(KaryoscopeError, match="by the clock"):
        train_from(RecipeSource("lizard"), tmp_path, seconds=5, steps=3)


def test_a_run_is_exported_without_its_data_from_anywhere(own, tmp_path, monkeypatch):
    run = tmp_path / "run"
    source = RecipeSource(data=own, start="lizard", mpp=0.5)
    last = train_from(source, run, changes=SMALL, steps=2, device="cpu")
    assert last == run / "last.ckpt"
    shutil.rmtree(own)
    moved = tmp_path / "moved"
    shutil.move(run, moved)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    # A file of the same name in the working directory is another's.
    Path("split.json").write_text("{}")
    bundle = find_bundle(export_bundle(moved, tmp_path / "bundle"))
    card = bundle.card
    assert card.name == "own"
    assert bundle.taxonomy.names == ("immune", "tumour")
    (data,) = card.training["data"]
    assert data["name"] == "own"
    assert data["nuclei"].keys() == {"immune", "tumour"}
    assert all(count > 0 for count in data["nuclei"].values())
    assert len(data["sha256"]) == 64
    assert card.training["step"] == 2
    (parent,) = card.training["parents"]
    assert (parent["name"], parent["classes"]) == ("lizard", {"immune": [], "tumour": []})
    page = bundle.read("README.md").decode()
    for text in ("Started from lizard", "Classes that are new: immune, tumour", "2 steps"):
        assert text in page
    by_hand = "By hand.\n<!-- training: begin -->\n<!-- training: end -->\n"
    marked = find_bundle(export_bundle(moved, tmp_path / "marked", readme=by_hand))
    page = marked.read("README.md").decode()
    assert page.startswith("By hand.\n<!-- training: begin -->\n2 steps of ")
    kept = json.loads((moved / "trained_on.json").read_text("utf-8"))
    assert set(kept["data"][0]["train"]).isdisjoint(kept["validation"])
    # Even two steps leave a curve.
    assert "train/loss" in (moved / "log.csv").read_text("utf-8").splitlines()[0]
    with pytest.raises(KaryoscopeError, match="holds a run already"):
        recipe_of(RecipeSource("finetune"), moved)
    resumed = recipe_of(RecipeSource(), moved, resume=True)
    assert Taxonomy.from_dict(resumed.taxonomy) == bundle.taxonomy


def test_a_training_ends_early_with_steps_where_it_is_told_to(own, tmp_path):
    # Nothing is learned, so that the second validation is no better than the first.
    still = ["optimiser.lr=1e-12", "validation.every=1", "training.patience=1", "training.ema=0.9"]
    source = RecipeSource(data=own, start="lizard", mpp=0.5)
    last = train_from(source, tmp_path / "run", changes=[*SMALL, *still], steps=9, device="cpu")
    assert torch.load(last, weights_only=False)["global_step"] < 9
    kept = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text("utf-8"))
    assert kept["validation"]["every"] == 1
    assert kept["training"]["ema"] == 0.9
    # Continued by the same length, the run keeps them without being told again.
    again = recipe_of(RecipeSource(), tmp_path / "run", resume=True, steps=9)
    assert (again.validation.every, again.training.ema) == (1, 0.9)
