"""A training set in one file, and training where the analyst's packages are not."""

import shutil
import subprocess
import sys
from textwrap import dedent

import pytest
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training import load_recipe  # noqa: E402
from karyoscope.training.data.images import load_training_bank  # noqa: E402
from karyoscope.training.packed.files import read_packed, write_packed  # noqa: E402
from karyoscope.training.packed.recipe import pack_recipe  # noqa: E402

#: What a bare GPU machine lacks.
ABSENT = ("scipy", "cv2", "numba", "pyarrow", "shapely", "openvino", "tifffile", "imagecodecs",
          "openslide", "matplotlib", "onnx")  # fmt: skip
#: What a GPU machine lacks that has the packages of the post-processing.
NO_SLIDES = ("shapely", "openvino", "imagecodecs", "openslide", "matplotlib", "zarr", "wsidicom")


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packed")
    recipe = load_recipe(write_recipe(folder, training={"steps": 2, "ema": 0.9}))
    bank = load_training_bank(recipe)
    write_packed(bank, recipe, folder / "set.safetensors")
    return folder, recipe, bank


def test_what_is_packed_comes_back(packed):
    folder, recipe, bank = packed
    back = read_packed(folder / "set.safetensors", recipe)
    for name, value in vars(bank).items():
        same = torch.equal(value, vars(back)[name]) if torch.is_tensor(value) else None
        assert same or value == vars(back)[name], name
    assert list(folder.glob("*.partial")) == []


def test_a_set_of_something_else_is_named(packed, tmp_path):
    folder, recipe, _ = packed
    path = folder / "set.safetensors"
    for changes, message in (
        (["taxonomy=lizard"], "has the classes nucleus, the recipe neutrophil"),
        (["mpp=0.25"], "is at 0.5 µm/px, the recipe at 0.25"),
    ):
        with pytest.raises(KaryoscopeError, match=message):
            read_packed(path, load_recipe(folder / "recipe.yaml", changes))
    with pytest.raises(KaryoscopeError, match="does not exist"):
        read_packed(tmp_path / "none.safetensors", recipe)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(path.read_bytes()[:100])
    with pytest.raises(KaryoscopeError, match="not a whole"):
        read_packed(broken, recipe)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, broken)
    with pytest.raises(KaryoscopeError, match="no training set"):
        read_packed(broken, recipe)


def test_the_command_packs_what_a_recipe_trains_on(packed, tmp_path):
    from typer.testing import CliRunner

    from karyoscope.cli.data import app

    folder, recipe, bank = packed
    out = tmp_path / "new" / "set.safetensors"
    done = CliRunner().invoke(app, ["pack", str(folder / "recipe.yaml"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{len(bank)} images with {len(bank.rgb)} pixels written to ")
    assert torch.equal(read_packed(out, recipe).ids, bank.ids)
    wrong = CliRunner().invoke(app, ["pack", str(folder / "recipe.yaml"), "--out", "set.pt"])
    assert wrong.exit_code == 2


def train_without(absent, folder, packed, tmp_path):
    """Train in a process that cannot import some packages; return what it said."""
    script = tmp_path / "bare.py"
    script.write_text(
        dedent(f"""
        import importlib.metadata, logging, sys
        from importlib.machinery import PathFinder

        absent = {absent!r}
        real = PathFinder.find_spec

        def find_spec(name, path=None, target=None):
            return None if name.split(".")[0] in absent else real(name, path, target)

        from_name = importlib.metadata.Distribution.from_name

        def installed(name):
            if name.split("-")[0] in absent:
                raise importlib.metadata.PackageNotFoundError(name)
            return from_name(name)

        PathFinder.find_spec = find_spec
        importlib.metadata.Distribution.from_name = installed
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        from pathlib import Path
        from karyoscope.training import load_recipe, train

        recipe = load_recipe({str(folder / "recipe.yaml")!r})
        train(recipe, Path({str(tmp_path / "run")!r}), device="cpu", packed=Path({str(packed)!r}))
        assert not [name for name in absent if name in sys.modules]
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no picture of the log: matplotlib is not installed" in done.stderr
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] == 2
    return done.stderr


@pytest.mark.slow
def test_a_bare_machine_trains_from_it(packed, tmp_path):
    folder, *_ = packed
    said = train_without(ABSENT, folder, folder / "set.safetensors", tmp_path)
    assert "no validation: it needs numba, cv2, scipy, pyarrow, tifffile" in said
    assert (tmp_path / "run" / "log.csv").is_file()


@pytest.mark.slow
def test_a_machine_without_data_validates_from_a_compressed_set(tmp_path):
    path = write_recipe(tmp_path, training={"steps": 2, "ema": 0.9})
    pack_recipe(load_recipe(path), tmp_path / "set.zip", 55 * 2**20)
    shutil.rmtree(tmp_path / "data")
    said = train_without(NO_SLIDES, tmp_path, tmp_path / "set.zip", tmp_path)
    assert "no validation" not in said
    assert "val/pq" in (tmp_path / "run" / "log.csv").read_text("utf-8")
    assert list((tmp_path / "run" / "tiles").iterdir())
