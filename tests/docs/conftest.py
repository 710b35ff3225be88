"""The command line, and the folder in which the commands of docs/extending run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from notebook_outputs import EXAMPLES, tool
from PIL import Image

from karyoscope.core import plugins
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Record, Sample
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.split import Split, write_split

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "dsb2018"
OVERVIEW = ROOT / "docs" / "extending" / "README.md"


@pytest.fixture(autouse=True)
def no_plugins_yet(monkeypatch):
    """Forget the plugin files of other tests."""
    monkeypatch.setattr(plugins.files, "plugin_files", {})


@pytest.fixture
def place(tmp_path, monkeypatch, tiny_bundle) -> Path:
    """A working directory with an image, a model, annotated images and a recipe."""
    monkeypatch.chdir(tmp_path)
    whole = tifffile.imread(ROOT / "examples" / "CMU-1-Small-Region.svs")
    tissue = np.ascontiguousarray(whole[900:1060, 900:1100])
    Image.fromarray(tissue).save("tissue.png")
    header = f"P6\n{tissue.shape[1]} {tissue.shape[0]}\n255\n".encode()
    Path("tissue.ppm").write_bytes(header + tissue.tobytes())
    shutil.copytree(tiny_bundle, "model")
    _write_annotated(tissue)
    _write_training_images()
    shown = re.search(r"^```yaml\n(name: tiny\n.*?)^```", OVERVIEW.read_text("utf-8"), re.M | re.S)
    assert shown, "docs/extending/README.md shows the recipe"
    Path("recipe.yaml").write_text(shown[1], encoding="utf-8")
    return tmp_path


def _write_annotated(tissue: np.ndarray) -> None:
    """Three tiles with squares as nuclei, two classes, and predictions as run lengths."""
    taxonomy = Taxonomy.from_dict(
        yaml.safe_load(Path("model/model.yaml").read_text("utf-8"))["taxonomy"]
    )
    samples = []
    Path("predictions").mkdir()
    for k in range(3):
        labels = np.zeros((128, 128), np.int32)
        labels[10:30, 10 + 5 * k : 30 + 5 * k], labels[60:80, 60:80] = 1, 2
        image = tissue[8 * k : 128 + 8 * k, 10:138]
        classes = np.array([0, 1, 2], np.uint8)
        samples.append(Sample(Record(f"t{k}", f"t{k}"), image, labels, classes, taxonomy, 0.5))
        runs = [[[row, 12 + 5 * k, 18] for row in range(10, 30)]]
        Path(f"predictions/t{k}.runs.json").write_text(json.dumps(runs))
    write_folder(samples, Path("annotated"), taxonomy)


def _write_training_images() -> None:
    """Real images in the layout of a recipe, and in that of the page on datasets."""
    names = sorted(path.stem for path in (DATA / "images").iterdir())[:4]
    for source, *targets in (
        ("images", "data/images", "pairs/photos"),
        ("labels", "data/labels", "pairs/ids"),
    ):
        for target in targets:
            Path(target).mkdir(parents=True)
            for name in names:
                shutil.copy(DATA / source / f"{name}.png", target)
    Path("data/dataset.yaml").write_text("taxonomy: nucleus\nmpp: 0.5\n")
    counts = {"images": 0, "sources": 0, "cohorts": {}, "classes": {}}
    split = {"train": names[2:], "validation": names[:2]}
    shares = {"train": 0.5, "validation": 0.5}
    write_split(Split(split, shares, 0, dict.fromkeys(split, counts)), Path("split.json"))


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """Execute a notebook once a session: a function from its name to the notebook and its files."""
    done = {}

    def execute(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            done[name] = tool().execute(EXAMPLES / f"{name}.ipynb", folder), folder
        return done[name]

    return execute
