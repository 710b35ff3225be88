"""The plugin in napari, where it is installed; it needs no display."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from karyoscope import open_slide
from karyoscope.napari_plugin.linking import Links
from karyoscope.napari_plugin.reader import read_layers

napari = pytest.importorskip("napari", reason="needs karyoscope[napari]")

STEM = "CMU-1-Small-Region"
# napari's own imports warn.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def add(viewer, path):
    (layer,) = read_layers(str(path))
    (added,) = viewer._add_layer_from_data(*layer)
    return added


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".labels.tif", "Labels"),
        (".labels.ome.zarr", "Labels"),
        (".parquet", "Shapes"),
        (".geojson.gz", "Shapes"),
    ],
)
def test_napari_takes_every_layer(results, suffix, kind):
    viewer = napari.components.ViewerModel()
    layer = add(viewer, results / (STEM + suffix))
    assert type(layer).__name__ == kind
    assert len(layer.features) > 5
    if kind == "Labels":
        number = int(layer.features["index"].iloc[0])
        assert layer.get_color(number)[3] == 1


def test_a_click_on_a_label_selects_its_outline(results):
    viewer = napari.components.ViewerModel()
    labels = add(viewer, results / f"{STEM}.labels.tif")
    outlines = add(viewer, results / f"{STEM}.parquet")
    shown = []
    Links(viewer.layers, lambda layer, row: shown.append(int(layer.features["id"][row])))
    y, x = np.argwhere(np.asarray(labels.data) > 0)[0]
    number = int(np.asarray(labels.data)[y, x])
    event = SimpleNamespace(type="mouse_press", position=(y, x), view_direction=None)
    event.dims_displayed = [0, 1]
    generator = labels.mouse_drag_callbacks[-1](labels, event)
    next(generator)
    event.type = "mouse_release"
    assert next(generator, None) is None
    (row,) = outlines.selected_data
    assert outlines.features["id"][row] == number
    other = (row + 1) % len(outlines.data)
    outlines.selected_data = {other}
    assert labels.selected_label == outlines.features["id"][other]
    assert shown == [number, labels.selected_label]


@pytest.fixture
def viewer(monkeypatch):
    """Layers without a window, since Qt has no OpenGL where it has no display."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    application = pytest.importorskip("qtpy.QtWidgets").QApplication
    running = application.instance() or application([])
    yield napari.components.ViewerModel()
    running.processEvents()


def until(condition, seconds=60.0):
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.02)
    assert condition()


def test_the_widget_segments_in_a_thread(viewer, example_slide, tiny_bundle):
    from karyoscope.napari_plugin.widgets import segment_widget

    with open_slide(example_slide) as slide:
        pixels = slide.read(900, 900, 200, 160)
    placed = {"scale": (0.499, 0.499), "translate": (3, 4), "units": ("um", "um")}
    viewer.add_image(pixels, rgb=True, name="part", **placed)
    panel = segment_widget(viewer)
    assert panel[1].value == pytest.approx(0.499)
    panel[2].value = "another bundle"
    panel[3].value = tiny_bundle
    panel[4].value = "cpu"
    panel[6].changed.emit(True)
    assert not panel[6].enabled
    until(lambda: len(viewer.layers) == 2)
    labels = viewer.layers["part nuclei"]
    assert panel[6].enabled
    assert labels.scale.tolist() == [0.499, 0.499]
    assert labels.translate.tolist() == [3, 4]
    assert labels.data.shape == (160, 200)
    assert len(labels.features) > 3


def test_what_cannot_be_segmented_is_a_notification(viewer):
    from napari.utils.notifications import notification_manager

    from karyoscope.napari_plugin.widgets import segment_widget

    viewer.add_image(np.zeros((32, 32, 3), np.uint8), rgb=True, name="no scale")
    panel = segment_widget(viewer)
    assert panel[1].value == 0
    panel[6].changed.emit(True)
    until(lambda: panel[6].enabled)
    assert "the pixel size of layer 'no scale'" in notification_manager.records[-1].message


def test_the_widget_shows_and_finds_a_nucleus(viewer, results):
    from karyoscope.napari_plugin.widgets import nucleus_widget

    viewer.add_image(np.zeros((2967, 2220, 3), np.uint8), rgb=True, scale=(2, 2))
    outlines = add(viewer, results / f"{STEM}.parquet")
    panel = nucleus_widget(viewer)
    panel[4].changed.emit(True)
    assert outlines.scale.tolist() == [2, 2]
    number = int(outlines.features["id"].iloc[-1])
    panel[0].value = number
    panel[1].changed.emit(True)
    assert outlines.selected_data == {len(outlines.data) - 1}
    lines = dict(panel[2].value["data"])
    assert lines["id"] == str(number)
    assert lines["class"] == outlines.features["class"].iloc[-1]
    center = getattr(viewer, "scene", viewer).camera.center
    place = [2 * (outlines.features[axis].iloc[-1] - 0.5) for axis in "yx"]
    np.testing.assert_allclose(center[-2:], place, rtol=1e-6)
