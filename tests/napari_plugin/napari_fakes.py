"""Layers and events with the parts of napari's that the plugin uses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np


class Emitter:
    def __init__(self) -> None:
        self.callbacks: list[Any] = []

    def connect(self, callback):
        self.callbacks.append(callback)

    def __call__(self, event=None):
        for callback in self.callbacks:
            callback(event)


class FakeLabels:
    def __init__(self, features, metadata):
        self.features, self.metadata, self.mode = features, metadata, "pan_zoom"
        self.mouse_drag_callbacks = []
        self.events = SimpleNamespace(selected_label=Emitter())
        self._selected = 1
        self.value = None

    @property
    def selected_label(self):
        return self._selected

    @selected_label.setter
    def selected_label(self, value):
        self._selected = value
        self.events.selected_label()

    def get_value(self, position, **_):
        return self.value


class FakeShapes:
    def __init__(self, features, metadata):
        self.features, self.metadata, self.mode = features, metadata, "pan_zoom"
        self.mouse_drag_callbacks = []
        self.events = SimpleNamespace(highlight=Emitter())
        self._selected: set[int] = set()

    @property
    def selected_data(self):
        return self._selected

    @selected_data.setter
    def selected_data(self, value):
        self._selected = set(value)
        self.events.highlight()


class FakeLayers(list):
    def __init__(self, *layers):
        super().__init__(layers)
        self.events = SimpleNamespace(inserted=Emitter())

    def add(self, layer):
        self.append(layer)
        self.events.inserted(SimpleNamespace(value=layer))


def fake_image(data, **settings):
    given = {
        "name": "image.png",
        "data": data,
        "rgb": True,
        "multiscale": False,
        "units": ("pixel", "pixel"),
        "scale": np.ones(2),
        "translate": np.zeros(2),
        "affine": SimpleNamespace(affine_matrix=np.eye(3)),
        "source": SimpleNamespace(path=None),
    }
    return SimpleNamespace(**{**given, **settings})
