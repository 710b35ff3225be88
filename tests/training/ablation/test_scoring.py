"""What a grid scores a network on: a set of points, in the classes of the network."""

from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("lightning")
pytest.importorskip("timm")

import tifffile

from karyoscope.datasets.writing import write_png
from karyoscope.training.ablation.grid import Row, ScoredSet
from karyoscope.training.ablation.scoring import scores_of
from karyoscope.training.recipe.reading import load_recipe

ROWS = ["x,y,class", "20.5,30.5,epithelium", "90,40,stroma", "60,100,stroma"]
CLASSES = [
    {"id": 1, "name": "stroma", "color": [0, 0, 255]},
    {"id": 2, "name": "epithelium", "color": [150, 75, 0]},
]
MERGES = {"two": {"stroma": "brown", "epithelium": "blue"}}


@pytest.fixture
def points(tmp_path, example_slide) -> Path:
    """A tile of the shipped slide whose nuclei are points, in classes of their own."""
    root = tmp_path / "points"
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    tile = np.ascontiguousarray(tifffile.imread(example_slide)[1000:1128, 900:1028])
    write_png(root / "images" / "a.png", tile)
    (root / "labels" / "a_points.csv").write_text("\n".join(ROWS) + "\n")
    taxonomy = {"name": "own", "classes": CLASSES, "merges": MERGES}
    (root / "classes.yaml").write_text(yaml.safe_dump(taxonomy))
    (root / "dataset.yaml").write_text("taxonomy: classes.yaml\nmpp: 0.5\n")
    return root


def test_points_are_scored_in_the_classes_of_the_network(points, tiny_bundle):
    sets = (
        ScoredSet(truth=points, name="points", protocol="hovernet"),
        ScoredSet(truth=points / "nowhere", protocol="hovernet"),
    )
    recipe = load_recipe("lizard")
    found, absent = scores_of(Row(name="a"), recipe, tiny_bundle, "cpu", 1, sets)
    assert found["on"] == "points"
    assert list(found["classes"]) == ["blue", "brown"]
    assert found["images"] == 1
    assert 0 <= found["f_d"] <= 1
    # Three true nuclei: each is found or missed, whatever the network says.
    counted = [found["classes"][c] for c in ("blue", "brown")]
    assert sum(c["fn_d"] for c in counted) + found["tp_d"] == 3
    assert found.get("pq") is None
    assert absent["images"] == 0
    assert "not at" in absent["on"]
