"""Outlines lie where they were drawn, whatever corner a slide counts from."""

from __future__ import annotations

import importlib.util
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import Box, SegmentOptions, area_of, segment, segment_file
from karyoscope.pipeline.tiling.outlines import Outlines
from karyoscope.slides import ArraySlide, open_slide


class Cropped(ArraySlide):
    """An array whose scanned part begins at some corner, as that of an MRXS or SCN slide."""

    corner = (0, 0)

    @property
    def bounds(self):
        x, y = self.corner
        return x, y, self.size[0] - x, self.size[1] - y


def cropped(corner, width=900, height=700):
    slide = Cropped(np.zeros((height, width, 3), np.uint8), 0.5)
    slide.corner = corner
    return slide


def box(left, top, right, bottom):
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry, name=""):
    properties = {"classification": {"name": name}} if name else {}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def written(folder, *drawn):
    path = folder / "drawn.geojson"
    path.write_text(json.dumps(list(drawn)))
    return path


CORNERS = st.tuples(st.integers(0, 400), st.integers(0, 300))


@pytest.mark.parametrize("option", ["tissue", "roi"])
@given(corner=CORNERS, place=st.tuples(st.integers(0, 300), st.integers(0, 200)))
@settings(max_examples=25, deadline=None)
def test_an_outline_moves_with_the_origin(tmp_path_factory, option, corner, place):
    path = written(tmp_path_factory.mktemp("drawn"), box(*place, place[0] + 150, place[1] + 120))
    area = area_of(cropped(corner), 0.5, **{option: path})
    x, y = place[0] + corner[0], place[1] + corner[1]
    assert area.measure(Box(x, y, x + 150, y + 120)) == pytest.approx(150 * 120)
    assert area.measure(area.on_grid) == pytest.approx(150 * 120)


def slide_files():
    place = Path(__file__).parents[1] / "slides" / "slide_files.py"
    spec = importlib.util.spec_from_file_location("slide_files", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("suffix", ["mrxs", "scn"])
def test_what_is_written_is_read_at_its_place(suffix, threshold_model, tissue, tmp_path):
    """The box around the nuclei of our own GeoJSON holds every one of them."""
    files = slide_files()
    write = {"mrxs": files.write_mrxs, "scn": files.write_scn}[suffix]
    path = write(tmp_path / f"a.{suffix}", np.ascontiguousarray(tissue[:331, :467]))
    options = SegmentOptions(("geojson",), tissue="none")
    found = segment_file(path, tmp_path / "out", threshold_model, options)["nuclei"]
    features = json.loads((tmp_path / "out" / "a.geojson").read_text("utf-8"))["features"]
    assert found == len(features) > 5
    places = np.concatenate([f["geometry"]["coordinates"][0] for f in features])
    assert places.min() >= -1
    left = box(-1, -1, 234, 332)
    inside = segment(path, model=threshold_model, tissue=written(tmp_path, left))
    with open_slide(path) as slide:
        corner = slide.bounds[0]
    everything = segment(path, model=threshold_model, tissue="none")
    assert 0 < len(inside) == (everything.x < corner + 234).sum() < found


def test_a_region_that_is_drawn_gives_the_nuclei_in_it(threshold_model, tissue, tmp_path):
    path = written(tmp_path, box(100, 80, 500, 400))
    drawn = segment(tissue, 0.5, threshold_model, roi=path)
    boxed = segment(tissue, 0.5, threshold_model, roi=(100, 80, 400, 320))
    assert len(drawn) == len(boxed) > 10
    assert np.allclose(np.sort(drawn.x), np.sort(boxed.x))


def test_a_region_and_tissue_that_are_both_drawn(tmp_path):
    region = written(tmp_path, box(0, 0, 300, 300)).rename(tmp_path / "region.geojson")
    area = area_of(
        cropped((0, 0)), 0.5, roi=region, tissue=written(tmp_path, box(200, 200, 600, 600))
    )
    assert area.box == Box(0, 0, 300, 300)
    assert area.measure(area.on_grid) == pytest.approx(100 * 100)


@pytest.mark.parametrize("option", ["tissue", "roi"])
@pytest.mark.parametrize("corner", [(0, 0), (400, 300)])
def test_outside_the_slide(option, corner, tmp_path):
    path = written(tmp_path, box(901, 0, 999, 50))
    with pytest.raises(KaryoscopeError, match=r"lies outside the slide, which has 900 x 700") as at:
        area_of(cropped(corner), 0.5, **{option: path})
    assert f": --{option} " in str(at.value)
    assert ("counted from its scanned part at 400,300" in str(at.value)) == (corner != (0, 0))


def test_partly_outside_the_slide(tmp_path):
    path = written(tmp_path, box(800, 0, 1000, 100))
    with pytest.warns(UserWarning, match=r"50 % of the area of --tissue .* lies outside"):
        area = area_of(cropped((0, 0)), 0.5, tissue=path)
    assert area.measure(area.on_grid) == pytest.approx(100 * 100)


def test_a_hand_that_slips_beyond_the_edge_is_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outlines = Outlines.read(written(tmp_path, box(0, -0.4, 900, 700)), cropped((0, 0)))
    assert outlines.hold(np.array([1.0, 899.0]), np.array([1.0, 699.0])).all()


def test_what_is_to_be_ignored_is_left_out(tmp_path):
    hole = feature(box(10, 10, 30, 30), "Ignore*")
    path = written(tmp_path, feature(box(0, 0, 100, 100), "Tumor"), hole)
    area = area_of(cropped((50, 60)), 0.5, tissue=path)
    assert area.measure(area.on_grid) == pytest.approx(100 * 100 - 20 * 20)
    assert area.measure(Box(60, 70, 80, 90)) == 0


def test_what_is_to_be_ignored_alone_is_left_out_of_the_slide(tmp_path):
    path = written(tmp_path, feature(box(10, 10, 30, 30), "Ignore*"))
    area = area_of(cropped((0, 0)), 0.5, tissue=path)
    assert area.measure(area.on_grid) == pytest.approx(900 * 700 - 400)
    with pytest.raises(KaryoscopeError, match="leaves nothing"):
        Outlines.read(
            written(
                tmp_path, feature(box(5, 5, 9, 9)), feature(box(0, 0, 99, 99), "Ignore: artefact")
            ),
            cropped((0, 0)),
        )


def test_an_outline_of_many_points_adds_up(tmp_path):
    angle = np.linspace(0, 2 * np.pi, 20_001)
    radius = 300 + 20 * np.sin(97 * angle)
    ring = np.stack([450 + radius * np.cos(angle), 350 + radius * np.sin(angle)], 1)
    ring[-1] = ring[0]
    path = written(tmp_path, {"type": "Polygon", "coordinates": [ring.tolist()]})
    outlines = Outlines.read(path, cropped((0, 0)))
    parts = [outlines.measure(x, y, 25, 25) for x in range(0, 900, 25) for y in range(0, 700, 25)]
    assert sum(parts) == pytest.approx(outlines.measure(0, 0, 900, 700), rel=1e-9)
    assert max(parts) == 625
