"""``karyoscope.segment`` gives the numbers that the command writes, of any image in memory."""

import cv2
import numpy as np
import pytest
from PIL import Image

import karyoscope
from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import SegmentOptions, segment_file


@pytest.fixture(scope="module")
def model(tiny_bundle):
    return karyoscope.load_model(tiny_bundle, "cpu", 1)


def test_features_are_those_of_the_files(tmp_path, model, example_slide):
    roi = (900, 900, 300, 300)
    groups = ("shape", "stain", "neighbours")
    options = SegmentOptions(("parquet",), roi=roi, features=groups, radius_um=30.0)
    segment_file(example_slide, tmp_path, model, options)
    written = karyoscope.read(tmp_path / example_slide.stem)
    found = karyoscope.segment(
        example_slide, model=model, roi=roi, features="Shape,stain,neighbours", radius_um=30.0
    )
    assert len(found) > 10
    assert list(found.columns()) == list(written.columns())
    assert "nearest_um" in found.measurements or len(found.measurements) > 10
    by_place = [np.lexsort((n.y, n.x)) for n in (found, written)]
    for name, column in written.columns().items():
        if name != "id":
            mine, theirs = found.columns()[name][by_place[0]], column[by_place[1]]
            assert np.array_equal(mine, theirs, equal_nan=theirs.dtype.kind == "f"), name


def test_what_is_left_out_and_cells_are_those_of_the_files(tmp_path, threshold_model, tissue):
    rgb = tissue.copy()
    rgb[:, :450] = cv2.GaussianBlur(tissue, (0, 0), 6)[:, :450]
    Image.fromarray(rgb).save(tmp_path / "a.png")
    options = SegmentOptions(
        ("parquet",), mpp=0.5, features=("cells",), expansion_um=2.0, exclude="BLUR"
    )
    segment_file(tmp_path / "a.png", tmp_path, threshold_model, options)
    written = karyoscope.read(tmp_path / "a.parquet")
    settings = {"features": "cells", "expansion_um": 2.0}
    found = karyoscope.segment(rgb, 0.5, threshold_model, exclude="Blur", **settings)
    assert found.id.tolist() == written.id.tolist() == list(range(1, len(found) + 1))
    for name, column in written.columns().items():
        assert np.array_equal(found.columns()[name], column), name
    everything = karyoscope.segment(rgb, 0.5, threshold_model, **settings)
    assert 0 < len(found) < len(everything)
    wider = karyoscope.segment(rgb, 0.5, threshold_model, exclude="blur", features="cells")
    assert wider["cell_area_um2"].sum() > found["cell_area_um2"].sum()


def test_the_default_is_that_of_the_command(model, example_slide):
    with karyoscope.open_slide(example_slide) as slide:
        pixels = slide.read(900, 900, 200, 200)
    found = karyoscope.segment(pixels, 0.5, model)
    assert "solidity" in found.measurements
    assert not karyoscope.segment(pixels, 0.5, model, features=()).measurements
    picture = karyoscope.segment(Image.fromarray(pixels), 0.5, model)
    assert picture.id.tolist() == found.id.tolist()
    assert np.array_equal(picture.vertices, found.vertices)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "shap"}, r"no feature group 'shap'.*do you mean shape\?"),
        ({"radius_um": -1}, "the radius is a length in µm"),
        ({"expansion_um": 0}, "the radius is a length in µm"),
        ({"exclude": "blurr"}, "no kind of fault 'blurr': there are blur, pen"),
    ],
)
def test_wrong_features_are_refused_before_any_work(model, options, message):
    with pytest.raises(KaryoscopeError, match=message):
        karyoscope.segment("absent.svs", model=model, **options)
