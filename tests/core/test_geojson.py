"""One reader of GeoJSON for what people draw."""

from __future__ import annotations

import gzip
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core import geojson
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.geojson import areas_of, points_of, read_features

SQUARE = {"type": "Polygon", "coordinates": [[[1, 2], [5, 2], [5, 8], [1, 8], [1, 2]]]}
POINT = {"type": "Point", "coordinates": [3, 4]}


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def written(tmp_path, data: bytes | dict | list):
    path = tmp_path / "drawn.geojson"
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: gzip.compress(text.encode()),
        lambda text: gzip.compress(b"\xef\xbb\xbf" + text.encode()),
    ],
    ids=["plain", "mark", "utf-16", "gzip", "gzip with mark"],
)
def test_encodings(tmp_path, encode):
    text = json.dumps(feature(SQUARE, classification={"name": "Grüße"}), ensure_ascii=False)
    (one,) = read_features(written(tmp_path, encode(text)))
    assert one.class_name == "grüße"
    assert one.geometry().area == 24


def test_collections_at_any_depth(tmp_path):
    inner = {"type": "GeometryCollection", "geometries": [SQUARE, POINT]}
    outer = {"type": "GeometryCollection", "geometries": [inner, SQUARE]}
    (one,) = read_features(written(tmp_path, outer))
    assert len(areas_of(one.geometry()).geoms) == 2
    assert points_of(one.geometry()) == [(3, 4)]


@pytest.mark.parametrize(
    ("classification", "name", "ignored"),
    [
        ({"name": "Ignore*"}, "ignore*", True),
        ({"names": ["Tumor", "Positive"]}, "tumor: positive", False),
        ("Stroma", "stroma", False),
        (None, "", False),
        ({"names": 7}, "", False),
    ],
)
def test_classes(tmp_path, classification, name, ignored):
    (one,) = read_features(written(tmp_path, feature(SQUARE, classification=classification)))
    assert (one.class_name, one.ignored) == (name, ignored)


def test_of_a_cell_the_nucleus_is_taken_where_it_is_asked_for(tmp_path):
    cell = feature(SQUARE) | {"nucleusGeometry": POINT}
    (one,) = read_features(written(tmp_path, cell))
    assert one.geometry().geom_type == "Polygon"
    assert one.geometry(nucleus=True).geom_type == "Point"


def test_an_open_ring_is_closed(tmp_path):
    ring = {"type": "Polygon", "coordinates": [SQUARE["coordinates"][0][:-1]]}
    (one,) = read_features(written(tmp_path, ring))
    assert one.geometry().area == 24


ABSURD = [
    b"",
    b"{",
    b"3",
    b"[3]",
    b"{}",
    b"null",
    b"\xff\xfe\x00",
    b"\x1f\x8b\x08\x00",
    gzip.compress(json.dumps(SQUARE).encode())[:-9],
    b"[" * 100_000,
    b'{"type": "FeatureCollection", "features": 3}',
    b'{"type": ["Polygon"]}',
    b'{"type": "Polygon", "coordinates": 3}',
    b'{"type": "Polygon", "coordinates": [[[1e400, 0], [1, 1], [2, 0], [1e400, 0]]]}',
    b'{"type": "Polygon", "coordinates": [[[1e300, 0], [1, 1], [2, 0], [1e300, 0]]]}',
    b'{"type": "Polygon", "coordinates": [[["a", 0], [1, 1], [2, 0], ["a", 0]]]}',
    b'{"type": "Polygon", "coordinates": [[[' + b"9" * 5000 + b", 0], [1, 1], [2, 0]]]}",
    b'{"type": "Feature", "geometry": 7}',
    b'{"type": "Feature", "geometry": {"type": "Circle", "coordinates": [1, 2]}}',
    b'{"type": "Feature", "geometry": '
    + b'{"type":"GeometryCollection","geometries":[' * 5000
    + b"]}" * 5000
    + b"}",
]


@pytest.mark.parametrize("data", ABSURD, ids=range(len(ABSURD)))
def test_absurd_files_give_one_line(tmp_path, data):
    path = written(tmp_path, data)
    with pytest.raises(KaryoscopeError, match=r"drawn\.geojson") as caught:
        [one.geometry() for one in read_features(path)]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 250


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from(["type", "features", "geometry", "coordinates", "geometries", "properties"])
WORDS = st.sampled_from(["FeatureCollection", "Feature", "Polygon", "Point", "GeometryCollection"])
TREES = st.recursive(
    LEAVES | WORDS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=20,
)


@given(TREES)
@settings(max_examples=300, deadline=None)
def test_any_json_gives_features_or_one_line(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "drawn.geojson"
    path.write_text(json.dumps(data))
    line = ""
    try:
        for one in read_features(path):
            geometry = one.geometry()
            if geometry is not None:
                areas_of(geometry)
            assert isinstance(one.class_name, str)
    except KaryoscopeError as error:
        line = str(error)
    assert "\n" not in line


def test_a_gzip_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(geojson, "LARGEST_TEXT", 1000)
    with pytest.raises(KaryoscopeError, match="holds more than"):
        read_features(written(tmp_path, gzip.compress(b" " * 10_000_000)))


def test_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes on this system")
    os.mkfifo(tmp_path / "pipe.geojson")
    with pytest.raises(KaryoscopeError, match="it is not a file"):
        read_features(tmp_path / "pipe.geojson")
