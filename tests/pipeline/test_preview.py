"""The picture of what will be analysed."""

import json

import cv2
import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import Layout, SegmentOptions, segment_file
from karyoscope.pipeline.preview import TEXT_PX, write_preview
from karyoscope.slides import ArraySlide


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    def layout(model, area):
        return Layout(area.grid.width, area.grid.height, 32, 64, largest=448, within=area.on_grid)

    monkeypatch.setattr("karyoscope.pipeline.to_files.layout_for", layout)


def picture_of(folder, rgb, model, **options):
    """Preview of real tissue, without its caption, as RGB."""
    np.save(folder / "a.npy", rgb)
    chosen = SegmentOptions(("csv",), mpp=0.5, preview=True, **options)
    segment_file(folder / "a.npy", folder / "out", model, chosen)
    picture = cv2.imread(str(folder / "out" / "a.preview.jpg"))[:, :, ::-1]
    return picture[round(4.2 * TEXT_PX) :].astype(int)


def test_the_whole(threshold_model, tissue, tmp_path):
    picture = picture_of(tmp_path, tissue, threshold_model)
    assert picture.shape == tissue.shape
    assert np.abs(picture - tissue)[:600].mean() < 9


def test_a_region_is_framed_and_the_rest_is_faded(threshold_model, tissue, tmp_path):
    picture = picture_of(tmp_path, tissue, threshold_model, roi=(100, 80, 300, 200))
    frame = picture[79:82, 120:380].reshape(-1, 3).mean(0)
    assert frame[0] > frame[1] + 80
    rest = picture[330:560, 450:880]
    assert np.abs(rest - (0.35 * tissue[330:560, 450:880] + 0.65 * 205)).mean() < 6
    assert np.abs(picture - tissue)[90:270, 110:390].mean() < 10


def test_drawn_areas_are_outlined(threshold_model, tissue, tmp_path):
    corners = [[50, 60], [450, 60], [450, 310], [50, 310], [50, 60]]
    drawn = tmp_path / "drawn.geojson"
    drawn.write_text(json.dumps({"type": "Polygon", "coordinates": [corners]}))
    picture = picture_of(tmp_path, tissue, threshold_model, tissue=drawn)
    edge = picture[70:300, 449:451].reshape(-1, 3).mean(0)
    assert edge[1] > edge[0] + 60


def test_it_comes_before_the_work(threshold_model, tissue, tmp_path):
    class Stopped(BaseException):
        pass

    def stop(progress):
        raise Stopped

    np.save(tmp_path / "a.npy", tissue)
    options = SegmentOptions(("csv",), mpp=0.5, preview=True)
    with pytest.raises(Stopped):
        segment_file(tmp_path / "a.npy", tmp_path, threshold_model, options, watch=stop)
    assert (tmp_path / "a.preview.jpg").exists()


def test_a_slide_that_cannot_be_shown_is_analysed(threshold_model, tissue, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise KaryoscopeError("damaged at x 0, y 0")

    monkeypatch.setattr(ArraySlide, "thumbnail", fail)
    np.save(tmp_path / "a.npy", tissue)
    options = SegmentOptions(("csv",), mpp=0.5, preview=True)
    with (
        pytest.warns(UserWarning, match="no preview: damaged at"),
        pytest.warns(UserWarning, match="no density per mm² of tissue is given: damaged at"),
    ):
        summary = segment_file(tmp_path / "a.npy", tmp_path, threshold_model, options)
    assert summary["tissue_mm2"] is None
    assert summary["density_per_mm2"] is None
    assert len(summary["warnings"]) == 2
    assert summary["nuclei"] > 100
    assert not (tmp_path / "a.preview.jpg").exists()


def test_a_folder_that_cannot_be_written_is_one_line(threshold_model, tissue, tmp_path):
    from karyoscope.pipeline import area_of
    from karyoscope.slides import open_slide

    with open_slide(tissue, 0.5) as slide:
        area = area_of(slide, 0.5)
        layout = Layout(area.grid.width, area.grid.height)
        with pytest.raises(KaryoscopeError, match="cannot write"):
            write_preview(tmp_path / "missing", slide, area, layout, [0])
