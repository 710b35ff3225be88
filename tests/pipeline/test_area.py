"""What part of a slide is analysed."""

import json

import numpy as np
import pytest
import shapely

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import Box, area_of, segment
from karyoscope.pipeline.tiling import area as area_module
from karyoscope.slides import ArraySlide, open_slide
from tiny_model import assert_same_nuclei

SQUARE = {"type": "Polygon", "coordinates": [[[100, 80], [500, 80], [500, 400], [100, 400]]]}
SQUARE["coordinates"][0].append(SQUARE["coordinates"][0][0])
HOLE = [[[600, 100], [800, 100], [800, 700], [600, 100]], [[700, 300], [750, 300], [750, 400]]]
HOLE[1].append(HOLE[1][0])


def feature(geometry):
    return {"type": "Feature", "geometry": geometry, "properties": {}}


def written(tmp_path, data):
    path = tmp_path / "drawn.geojson"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def slide():
    with open_slide(np.zeros((701, 901, 3), np.uint8), mpp=0.25) as slide:
        yield slide


def test_the_whole_slide(slide):
    area = area_of(slide, 0.5)
    assert area.whole
    assert area.on_grid == Box(0, 0, 451, 351)
    assert area.measure(area.on_grid) == 901 * 701
    assert area.measure(Box(450, 350, 451, 351)) == 1, "of the last pixel, what is on the slide"


def test_a_region(slide):
    area = area_of(slide, 0.5, (11, 21, 30, 40))
    assert not area.whole
    assert area.on_grid == Box(5, 10, 21, 31)
    assert area.measure(area.on_grid) == 30 * 40
    assert area.measure(Box(5, 10, 6, 11)) == 1


def test_a_region_partly_outside_is_cut_with_a_word(slide):
    with pytest.warns(UserWarning, match="97 % of the region -50,-50,60,60 lies outside the slide"):
        assert area_of(slide, 0.5, (-50, -50, 60, 60)).box == Box(0, 0, 10, 10)
    with pytest.warns(UserWarning, match="lies outside the slide, which has 901 x 701 pixels"):
        assert area_of(slide, 0.5, (-50, -50, 5000, 5000)).whole


def test_outlines_beside_the_region_are_refused(slide, tmp_path):
    path = written(tmp_path, feature(SQUARE))
    with pytest.raises(KaryoscopeError, match=r"--tissue .*drawn.geojson lies outside --roi"):
        area_of(slide, 0.5, (600, 500, 50, 50), path)
    other = tmp_path / "other.geojson"
    other.write_text(json.dumps(feature({"type": "Polygon", "coordinates": HOLE})))
    with pytest.raises(KaryoscopeError, match=r"--tissue .*drawn.geojson lies outside --roi"):
        area_of(slide, 0.5, other, path)


@pytest.mark.parametrize("roi", [(901, 0, 5, 5), (-9, 0, 9, 9), (0, 701, 1, 1), (5, 5, 0, 3)])
def test_a_region_outside(slide, roi):
    with pytest.raises(KaryoscopeError, match="lies outside the slide, which has 901 x 701"):
        area_of(slide, 0.5, roi)


@pytest.mark.parametrize(
    "data",
    [
        SQUARE,
        feature(SQUARE),
        [feature(SQUARE)],
        {"type": "FeatureCollection", "features": [feature(SQUARE)]},
        {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]},
        # What is no polygon is left alone, and what is drawn twice counts once.
        [feature(SQUARE), feature(None), feature({"type": "Point", "coordinates": [1, 2]})],
        [SQUARE, SQUARE],
    ],
)
def test_outlines(slide, tmp_path, data):
    area = area_of(slide, 0.5, tissue=written(tmp_path, data))
    assert area.measure(area.on_grid) == pytest.approx(400 * 320)
    assert area.measure(Box(0, 0, 50, 40)) == 0
    assert area.measure(Box(50, 40, 60, 50)) == pytest.approx(400)
    assert area_of(slide, 0.5, (400, 0, 400, 100), written(tmp_path, data)).measure(
        area.on_grid
    ) == pytest.approx(100 * 20)


def test_nuclei_of_outlines_with_a_hole(threshold_model, tissue, tmp_path):
    path = written(tmp_path, [SQUARE, {"type": "Polygon", "coordinates": HOLE}])
    everything = segment(tissue, 0.5, threshold_model)
    drawn = shapely.union(shapely.Polygon(SQUARE["coordinates"][0]), shapely.Polygon(*HOLE[:1]))
    drawn = drawn.difference(shapely.Polygon(HOLE[1]))
    inside = shapely.contains_xy(drawn, everything.x, everything.y)
    assert 50 < inside.sum() < len(everything)
    found = segment(tissue, 0.5, threshold_model, tissue=path)
    assert_same_nuclei(found, everything.take(inside))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("", "is not GeoJSON"),
        ("{", "is not GeoJSON"),
        ("17", "is not GeoJSON"),
        ("[17]", "is not GeoJSON"),
        ("{}", "is not GeoJSON"),
        ({"type": "FeatureCollection"}, "is not GeoJSON"),
        ({"type": "Polygon", "coordinates": "here"}, "is not GeoJSON"),
        ({"type": "Polygon", "coordinates": [[[0, 0]]]}, "is not GeoJSON"),
        ([], "holds no polygon"),
        ({"type": "Point", "coordinates": [1, 2]}, "holds no polygon"),
        ({"type": "Polygon", "coordinates": []}, "holds no polygon"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 2], [0, 0]]]}, "no polygon"),
    ],
)
def test_files_that_are_no_outlines(slide, tmp_path, data, words):
    with pytest.raises(KaryoscopeError, match=words) as error:
        area_of(slide, 0.5, tissue=written(tmp_path, data))
    assert "\n" not in str(error.value)
    assert "drawn.geojson" in str(error.value)


def test_a_file_that_is_missing(slide, tmp_path):
    with pytest.raises(KaryoscopeError, match=r"none\.geojson cannot be read: No such file"):
        area_of(slide, 0.5, tissue=tmp_path / "none.geojson")


def test_glass_of_large_slides_is_left_out(threshold_model, tissue, monkeypatch):
    glass = np.full((800, 3600, 3), 243, np.uint8)
    glass[:760, :900] = tissue
    calls = []
    predict = type(threshold_model).predict
    monkeypatch.setattr(
        type(threshold_model), "predict", lambda model, rgb: calls.append(1) or predict(model, rgb)
    )
    expected = segment(glass, 0.5, threshold_model, tissue="none")
    everywhere = len(calls)
    monkeypatch.setattr(area_module, "WHOLE_PX", 1000)
    found = segment(glass, 0.5, threshold_model)
    assert len(calls) - everywhere < everywhere
    assert_same_nuclei(found, expected)
    assert len(segment(np.full_like(glass, 243), 0.5, threshold_model)) == 0


def test_a_damaged_thumbnail_means_that_all_is_analysed(monkeypatch):
    class Damaged(ArraySlide):
        def thumbnail(self, max_edge=1024, *, lenient=False):
            raise KaryoscopeError("damaged")

    monkeypatch.setattr(area_module, "WHOLE_PX", 10)
    slide = Damaged(np.zeros((40, 50, 3), np.uint8), 0.5)
    with pytest.warns(UserWarning, match="whole slide is analysed.*damaged"):
        area = area_of(slide, 0.5)
    assert area.measure(area.on_grid) == 2000
    assert np.isnan(area.tissue_of(area.on_grid))
