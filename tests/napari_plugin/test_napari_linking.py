"""Selection that layers of a slide share, without napari."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from napari_fakes import FakeLabels, FakeLayers, FakeShapes

from karyoscope.napari_plugin.linking import Links, id_under


def features(*ids):
    return {"id": np.array(ids), "class": np.array(["plasma"] * len(ids))}


def about(slide):
    return {"karyoscope": {"slide": slide}}


def linked():
    labels = FakeLabels(features(3, 5, 9), about("a"))
    shapes = FakeShapes(features(9, 5, 3), about("a"))
    other = FakeShapes(features(5), about("b"))
    foreign = FakeShapes(features(5), {})
    shown = []
    layers = FakeLayers(labels, shapes, other, foreign)
    links = Links(layers, lambda layer, row: shown.append((layer, row)))
    return links, layers, shown


def test_a_selection_reaches_the_layers_of_its_slide_alone():
    _, (labels, shapes, other, foreign), shown = linked()
    labels.selected_label = 9
    assert shapes.selected_data == {0}
    assert (other.selected_data, foreign.selected_data) == (set(), set())
    shapes.selected_data = {1}
    assert labels.selected_label == 5
    assert [(layer, row) for layer, row in shown] == [(labels, 2), (labels, 1)]


def test_several_or_unknown_selected_nuclei_change_nothing():
    links, (labels, shapes, *_), shown = linked()
    shapes.selected_data = {0, 1}
    labels.selected_label = 77
    assert not links.select("a", 77)
    assert shown == []
    assert shapes.selected_data == {0, 1}


def test_layers_that_come_later_are_linked():
    _, layers, _ = linked()
    later = FakeShapes(features(1, 9), about("a"))
    layers[0].selected_label = 9
    layers.add(later)
    layers[0].selected_label = 9
    assert later.selected_data == {1}


def click(layer, *moves):
    (callback,) = layer.mouse_drag_callbacks
    event = SimpleNamespace(type="mouse_press", position=(0, 0), view_direction=None)
    event.dims_displayed = [0, 1]
    generator = callback(layer, event)
    next(generator)
    for kind in (*moves, "mouse_release"):
        event.type = kind
        if next(generator, "end") == "end":
            break


def test_a_click_selects_and_a_drag_does_not():
    _, (labels, shapes, *_), _ = linked()
    labels.value = 5
    click(labels, "mouse_move")
    assert shapes.selected_data == set()
    labels.mode = "paint"
    click(labels)
    assert shapes.selected_data == set()
    labels.mode = "pan_zoom"
    click(labels)
    assert shapes.selected_data == {1}
    assert labels.selected_label == 5


def test_values_under_the_pointer():
    labels = FakeLabels(features(3), about("a"))
    assert [id_under(labels, v) for v in (None, 0, 3, (1, 3), (1, None))] == [
        None,
        None,
        3,
        3,
        None,
    ]
    shapes = FakeShapes(features(8), about("a"))
    assert [id_under(shapes, v) for v in (None, (None, None), (0, None), 0)] == [None, None, 8, 8]
