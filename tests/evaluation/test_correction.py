"""A round of correction: tiles are ranked, what was reviewed becomes data."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import shapely

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import open_dataset
from karyoscope.evaluation.correction import RankedTile, collect, rank_tiles, write_ranking
from karyoscope.evaluation.correction.rank import spread
from karyoscope.inference import load_model

IMAGES = Path(__file__).parents[1] / "data" / "dsb2018" / "images"


def feature(geometry, name, **more):
    return {
        "type": "Feature",
        "geometry": json.loads(shapely.to_geojson(geometry)),
        "properties": {"classification": {"name": name}, **more},
    }


@pytest.fixture
def corrected(tmp_path):
    """A slide with three nuclei, of which the region holds one whole and cuts one."""
    image = np.full((100, 120, 3), 220, np.uint8)
    cv2.imwrite(str(tmp_path / "s1.png"), image)
    region = shapely.Polygon([(10, 10), (60, 10), (60, 60), (10, 60)])
    features = [
        feature(shapely.box(20, 20, 30, 30), "Tumour"),
        feature(shapely.box(56, 20, 72, 30), "Other"),
        feature(shapely.box(90, 80, 99, 90), "Other"),
        feature(region, "Reviewed"),
        feature(shapely.box(0, 0, 120, 100), "Region*"),
    ]
    path = tmp_path / "s1.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_what_was_reviewed_is_truth_and_the_rest_is_ignored(corrected, tmp_path):
    found = collect([corrected], tmp_path / "set", mpp=0.25)
    assert (found.images, found.nuclei, found.problems) == (1, 1, [])
    dataset = open_dataset(tmp_path / "set")
    (sample,) = dataset
    assert sample.image.shape == (50, 50, 3)
    assert (sample.mpp, sample.record.source) == (0.25, "s1")
    assert sample.taxonomy.names == ("other", "tumour")
    assert sample.inst_map[10:20, 10:20].all()
    assert np.count_nonzero(sample.inst_map) == 100
    # The nucleus that the border cuts has its centroid outside: nothing is said of its pixels.
    assert sample.ignore[10:20, 46:50].all()
    assert np.count_nonzero(sample.ignore) == 40


def test_a_file_that_nobody_reviewed_is_named_and_the_others_go_on(corrected, tmp_path):
    other = tmp_path / "s2.geojson"
    other.write_text(json.dumps(feature(shapely.box(1, 1, 5, 5), "Tumour")))
    found = collect([other, corrected], tmp_path / "set", mpp=0.25)
    assert found.images == 1
    assert "give it the class Reviewed" in found.problems[0]
    with pytest.raises(KaryoscopeError, match="nothing collected"):
        collect([other], tmp_path / "none", mpp=0.25)
    assert not (tmp_path / "none").exists()
    with pytest.raises(KaryoscopeError, match="--overwrite"):
        collect([corrected], tmp_path / "set", mpp=0.25)


def test_a_region_may_have_any_shape(tmp_path, corrected):
    data = json.loads(corrected.read_text("utf-8"))
    data["features"][3]["geometry"] = json.loads(
        shapely.to_geojson(shapely.Polygon([(10, 10), (60, 10), (10, 60)]))
    )
    corrected.write_text(json.dumps(data))
    collect([corrected], tmp_path / "set", mpp=0.25)
    (sample,) = open_dataset(tmp_path / "set")
    assert sample.ignore[49, 49]
    assert not sample.ignore[0, 0]


def test_tiles_are_spread_over_slides():
    def tile(slide, score, x=0):
        return RankedTile(slide, x, 0, 10, 10, score, 5, 0.0, 0.0)

    tiles = [tile("a", 1.0), tile("a", 0.9, 1), tile("a", 0.8, 2), tile("b", 0.7), tile("c", 0.1)]
    assert [t.slide for t in spread(tiles, 3)] == ["a", "b", "a"]
    assert len(spread(tiles, 99)) == 5


def test_real_images_are_ranked_and_written(tmp_path):
    paths = sorted(IMAGES.glob("*.png"))[:2]
    model = load_model("lizard", threads=1)
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no image")
    tiles, problems = rank_tiles(
        [*paths, damaged],
        model,
        load_model("lizard", threads=1, tta=2),
        count=3,
        mpp=0.5,
        tile_um=64,
    )
    assert len(problems) == 1
    assert len(tiles) == 3
    assert all(0 <= t.doubt <= 1 and 0 <= t.disagreement <= 1 for t in tiles)
    files = write_ranking(tiles, tmp_path / "rank.csv")
    rows = list(csv.DictReader((tmp_path / "rank.csv").open()))
    assert [row["slide"] for row in rows] == [t.slide for t in tiles]
    assert len(files) == 1 + len({t.slide for t in tiles})
    # The same model twice disagrees with itself nowhere.
    same, _ = rank_tiles(paths[:1], model, model, count=1, mpp=0.5)
    assert same[0].disagreement == 0


@pytest.mark.parametrize("name", ["s1.regions.geojson", "s1.geojson"])
def test_regions_alone_are_not_taken_for_slides_without_nuclei(tmp_path, name):
    cv2.imwrite(str(tmp_path / "s1.png"), np.full((100, 120, 3), 220, np.uint8))
    alone = tmp_path / name
    alone.write_text(json.dumps([feature(shapely.box(10, 10, 60, 60), "", reviewed=True)]))
    with pytest.raises(KaryoscopeError, match=r"use s1\.corrected\.geojson.*export all objects"):
        collect([alone], tmp_path / "set", mpp=0.25)


def test_a_file_of_the_viewer_may_say_that_there_are_no_nuclei(tmp_path):
    cv2.imwrite(str(tmp_path / "s1.png"), np.full((100, 120, 3), 220, np.uint8))
    empty = tmp_path / "s1.corrected.geojson"
    empty.write_text(json.dumps([feature(shapely.box(10, 10, 60, 60), "", reviewed=True)]))
    found = collect([empty], tmp_path / "set", mpp=0.25)
    assert (found.images, found.nuclei) == (1, 0)
