"""``karyoscope synthesize``: train, write, distance, and what each refuses."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch", reason="synthesize needs the [train] extra")
pytest.importorskip("timm")
pytest.importorskip("lightning")

from karyoscope.datasets import open_dataset  # noqa: E402

DATA = Path(__file__).parents[1] / "data" / "dsb2018"
RECIPE = {
    "name": "tiny",
    "licence": "CC0",
    "data": [{"path": str(DATA), "mpp": 0.5, "taxonomy": "nucleus"}],
    "generator": {"width": 4, "halvings": 2, "blocks": 0},
    "discriminator": {"width": 4, "halvings": 2, "scales": 1},
    "training": {"tile": 32, "batch_size": 2, "steps": 1},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one step."""
    from karyoscope.training.synthesis import load_synthesis_recipe, train_generator

    folder = tmp_path_factory.mktemp("synthesize")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    recipe = load_synthesis_recipe(folder / "recipe.yaml")
    train_generator(recipe, folder / "run", device="cpu")
    return folder / "run"


@pytest.fixture
def write(run, trained, tmp_path):
    def call(*arguments):
        given = ("--out", tmp_path / "tiles", "--n", 6, "--size", 64, "--workers", 1)
        return run("synthesize", "write", trained, *given, *arguments)

    return call


def one_line(result, text):
    assert result.code == 1
    assert result.out == ""
    (line,) = result.lines
    assert line.startswith("karyoscope: ")
    assert text in line


def test_train_prints_where_the_generator_is(run, tmp_path):
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    arguments = ("synthesize", "train", tmp_path / "recipe.yaml", "--out", tmp_path / "run",
                 "--device", "cpu", "--workers", 1)  # fmt: skip
    result = run(*arguments, "--set", "training.batch_size=1")
    assert result.code == 0
    assert result.out.strip() == str(tmp_path / "run" / "generator")
    saved = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text("utf-8"))
    assert saved["training"]["batch_size"] == 1
    one_line(run(*arguments), "give --resume or another --out")


def test_written_tiles_are_a_dataset_that_a_recipe_can_name(run, write, tmp_path):
    result = write("--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["images"] == 6
    assert found["licence"] == "CC0"
    dataset = open_dataset(tmp_path / "tiles")
    assert (dataset.mpp, dataset.taxonomy.names) == (0.5, ("nucleus",))
    nuclei = sum(len(np.unique(sample.inst_map)) - 1 for sample in dataset)
    assert nuclei == found["nuclei"] > 0
    seen = run("data", "inspect", tmp_path / "tiles", "--json")
    assert seen.code == 0
    assert len(json.loads(seen.out)["images"]) == 6


def test_nothing_is_overwritten_unasked(write, tmp_path):
    assert write().code == 0
    before = sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "tiles").rglob("*"))
    one_line(write("--seed", 5), "exists; give another --out or --overwrite")
    assert sorted((p, p.stat().st_mtime_ns) for p in (tmp_path / "tiles").rglob("*")) == before
    assert write("--seed", 5, "--overwrite").code == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    one_line(write("--out", tmp_path / "mine", "--overwrite"), "is not replaced")


def test_masks_of_another_folder(write, tmp_path):
    data = ("--data", DATA, "--mpp", 0.5, "--classes", "nucleus")
    assert write(*data, "--to", "conic", "--size", 256, "--n", 2).code == 0
    assert np.load(tmp_path / "tiles" / "images.npy").shape == (2, 256, 256, 3)
    # At twice the scale they are resampled, and then too small for such tiles.
    smaller = ("--data", DATA, "--mpp", 0.25, "--classes", "nucleus", "--overwrite")
    one_line(write(*smaller, "--size", 256), "no image holds a tile of 256 px")
    assert write(*smaller, "--size", 64).code == 0


def test_bad_input_is_one_line_and_writes_nothing(run, write, trained, tmp_path):
    one_line(write("--size", 62), "multiple of 4 px, not 62")
    one_line(write("--size", 1024), "no image holds a tile of 1024 px")
    one_line(write("--data", tmp_path / "none"), "no such folder")
    one_line(write("--to", "papyrus"), "cannot write layout 'papyrus'")
    one_line(
        run("synthesize", "write", tmp_path, "--out", tmp_path / "tiles"), "holds no generator"
    )
    alone = ("synthesize", "write", trained / "generator", "--out", tmp_path / "tiles")
    one_line(run(*alone), "give --data")
    one_line(run("synthesize", "train", tmp_path / "x.yaml", "--out", tmp_path / "r"), "neither")
    assert not (tmp_path / "tiles").exists()
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "options", [("--style", "loud"), ("--split", "s.json"), ("--n", 0), ("--balanced", 2)]
)
def test_options_that_make_no_sense_are_wrong_usage(write, options):
    assert write(*options).code == 2


def test_distance_is_told_beside_floor_and_ceilings(run, write, tmp_path):
    """With an untrained encoder in a file of weights: the order of real and noise still holds."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    encoder = timm.create_model("test_efficientnet", pretrained=False)
    save_file(encoder.state_dict(), tmp_path / "weights.safetensors")
    assert write("--n", 20).code == 0
    arguments = ("synthesize", "distance", tmp_path / "tiles", "--real", DATA, "--mpp", 0.5,
                 "--classes", "nucleus", "--encoder", "test_efficientnet", "--workers", 1,
                 "--weights")  # fmt: skip
    result = run(*arguments, tmp_path / "weights.safetensors", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["tiles"] == 20
    assert found["size"] == 64
    assert 0 <= found["real"] < found["noisy"]
    assert "features of test_efficientnet" in run(*arguments, tmp_path / "weights.safetensors").out
    one_line(run(*arguments, tmp_path / "none.safetensors"), "do not exist")


def test_distance_takes_the_weights_of_its_encoder_from_the_cache(run, tmp_path, monkeypatch):
    monkeypatch.setenv("KARYOSCOPE_CACHE", str(tmp_path))
    asked = run("synthesize", "distance", DATA, "--real", DATA, "--mpp", 0.5)
    one_line(asked, "karyoscope weights fetch tf_efficientnet_lite0")
    asked = run("synthesize", "distance", DATA, "--real", DATA, "--weights", "resnet34")
    one_line(asked, "karyoscope weights fetch resnet34")


def test_features_of_tiles_that_cannot_be_written_to(tmp_path):
    """Decoded PNGs are such, and torch warns of the memory that it would share with them."""
    import timm
    from safetensors.torch import save_file

    from karyoscope.training.synthesis import TileFeatures

    save_file(timm.create_model("test_efficientnet").state_dict(), tmp_path / "weights.safetensors")
    features = TileFeatures("test_efficientnet", tmp_path / "weights.safetensors")
    tile = np.zeros((32, 32, 3), np.uint8)
    tile.flags.writeable = False
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert len(features([tile])) == 1
    finally:
        torch.set_warn_always(before)
