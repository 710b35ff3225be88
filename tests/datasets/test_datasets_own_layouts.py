"""Layouts for annotations of one's own: GeoJSON of QuPath, and plain folders."""

import json

import numpy as np
import pytest

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import open_dataset
from karyoscope.datasets.writing import write_label_image, write_png


@pytest.fixture
def image():
    return np.full((40, 60, 3), 200, np.uint8)


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def square(x, y, side=4):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    return {"type": "Polygon", "coordinates": [ring]}


def qupath_features():
    """What QuPath exports: with and without class, a cell, regions, points, derived classes."""
    hole = square(10, 10, 8)
    hole["coordinates"].append(square(12, 12, 2)["coordinates"][0])
    return [
        feature(
            hole, objectType="annotation", classification={"name": "Tumor", "color": [1, 2, 3]}
        ),
        feature(square(30, 10), objectType="annotation"),
        {
            **feature(square(40, 20, 10), objectType="cell", classification={"name": "Stroma"}),
            "nucleusGeometry": square(42, 22, 3),
        },
        feature(square(0, 0, 30), classification={"name": "Region*"}),
        feature(square(20, 30), classification={"name": "Ignore*"}),
        feature(
            {"type": "Point", "coordinates": [50.5, 5.5]},
            classification={"names": ["Tumor", "Positive"]},
        ),
    ]


@pytest.mark.parametrize(
    "wrap", [lambda f: f, lambda f: {"type": "FeatureCollection", "features": f}]
)
def test_geojson_as_qupath_writes_it(tmp_path, image, wrap):
    write_png(tmp_path / "a.png", image)
    (tmp_path / "a.geojson").write_text(json.dumps(wrap(qupath_features())))
    dataset = open_dataset(tmp_path, mpp=0.25)
    assert dataset.taxonomy.names == ("stroma", "tumor", "tumor: positive")
    sample = next(iter(dataset))
    assert np.bincount(sample.inst_map.ravel())[1:].tolist() == [60, 16, 9]
    assert [sample.taxonomy.by_id(c).name for c in sample.classes[1:]] == [
        "tumor",
        "unclassified",
        "stroma",
    ]
    assert sample.ignore.sum() == 16
    assert sample.points.tolist() == [[50.5, 5.5, 3]]


def test_geojson_class_outside_the_taxonomy_is_named(tmp_path, image):
    write_png(tmp_path / "a.png", image)
    (tmp_path / "a.geojson").write_text(json.dumps(qupath_features()))
    dataset = open_dataset(tmp_path, taxonomy=Taxonomy.load("lizard"), mpp=0.25)
    assert list(dataset) == []
    assert "no class 'tumor'" in dataset.problems[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "3",
        '{"type": "FeatureCollection"}',
        '[{"geometry": null}]',
        '[{"geometry": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}}]',
        "[[1]]",
    ],
)
def test_geojson_that_cannot_be_read_is_named(tmp_path, image, text):
    for name in "ab":
        write_png(tmp_path / f"{name}.png", image)
        (tmp_path / f"{name}.geojson").write_text(json.dumps([feature(square(1, 1))]))
    (tmp_path / "a.geojson").write_text(text)
    dataset = open_dataset(tmp_path, mpp=0.25)
    assert [s.record.name for s in dataset] == ["b"]
    assert "a.geojson" in dataset.problems[0]


def test_folder_without_tables_has_one_class(tmp_path, image):
    inst_map = np.zeros((40, 60), np.int32)
    inst_map[3:9, 3:9], inst_map[20:30, 20:30] = 4, 9
    write_png(tmp_path / "a.png", image)
    write_label_image(tmp_path, "a_mask", inst_map)
    dataset = open_dataset(tmp_path, mpp=0.5)
    sample = next(iter(dataset))
    assert dataset.taxonomy.names == ("nucleus",)
    assert sample.class_map.max() == 1
    np.testing.assert_array_equal(sample.inst_map, inst_map)
    # With a taxonomy of several classes, none of them can be meant.
    sample = next(iter(open_dataset(tmp_path, taxonomy=Taxonomy.load("lizard"))))
    assert sample.class_map.max() == 0


def test_folder_classes_by_name_and_splits_by_folder(tmp_path, image):
    inst_map = np.zeros((40, 60), np.int32)
    inst_map[3:9, 3:9], inst_map[20:30, 20:30], inst_map[30:35, 3:9] = 4, 9, 11
    for split in ("train", "test"):
        write_png(tmp_path / split / "images" / f"{split}_a.jpg.png", image)
        np.save(tmp_path / "x.npy", inst_map)
        (tmp_path / split / "labels").mkdir()
        (tmp_path / "x.npy").rename(tmp_path / split / "labels" / f"{split}_a.jpg.npy")
        table = tmp_path / split / "labels" / f"{split}_a.jpg.csv"
        table.write_text("id,class\n4,Tumour\n9,Stroma\n11,\n")
    dataset = open_dataset(tmp_path, "folder", mpp=0.5)
    assert {r.split for r in dataset.records} == {"train", "test"}
    assert dataset.taxonomy.names == ("stroma", "tumour")
    assert [next(iter(dataset)).classes[i] for i in (4, 9, 11)] == [2, 1, 0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("id,class\n99,a\n", "id 99 is not in the label image"),
        ("id,class\nfour,a\n", "is not a whole number"),
        ("id,class\n4.5,a\n", "is not a whole number"),
        ("id,class\n4,a\n4,b\n", "id 4 is in two rows"),
        ("id,kind\n4,a\n", "lacks the column class"),
    ],
)
def test_folder_with_a_bad_table_is_named(tmp_path, image, table, message):
    inst_map = np.zeros((40, 60), np.int32)
    inst_map[3:9, 3:9] = 4
    for name in "ab":
        write_png(tmp_path / "images" / f"{name}.png", image)
        write_label_image(tmp_path / "labels", name, inst_map)
        (tmp_path / "labels" / f"{name}.csv").write_text("id,class\n4,a\n")
    (tmp_path / "labels" / "a.csv").write_text(table)
    dataset = open_dataset(tmp_path, mpp=0.5)
    assert [s.record.name for s in dataset] == ["b"]
    assert "a.csv" in dataset.problems[0]
    assert message in dataset.problems[0]
