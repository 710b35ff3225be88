"""Layers of one slide, linked by the id of the nucleus: selected in one, selected in all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from karyoscope.napari_plugin.layers import KEY

Shown = Callable[[Any, int], None]
"""Called with a layer and the row, in its features, of the nucleus that was selected."""


class Links:
    """Selection that is shared by all layers of a slide.

    A click on a nucleus selects it, in the mode that moves the picture, too.

    Parameters
    ----------
    layers : napari.components.LayerList
        Those of the viewer; layers of karyoscope that are added later are linked, too.
    shown : callable
        Called for each nucleus that is selected.
    """

    def __init__(self, layers: Any, shown: Shown) -> None:
        self._layers = layers
        self._shown = shown
        self._selected: tuple[str, int] | None = None
        self._busy = False
        for layer in layers:
            self._link(layer)
        layers.events.inserted.connect(self._inserted)

    def select(self, slide: str, number: int) -> bool:
        """Select a nucleus by its id in all layers of a slide; returns whether it is there."""
        if (slide, number) == self._selected:
            return True
        first = None
        self._busy = True
        try:
            for layer in self.of_slide(slide):
                row = row_of(layer, number)
                if row is not None:
                    first = first or (layer, row)
                    _select(layer, row, number)
        finally:
            self._busy = False
        if first is None:
            return False
        self._selected = slide, number
        self._shown(*first)
        return True

    def of_slide(self, slide: str | None = None) -> list[Any]:
        """Return the layers of a slide, or all layers of karyoscope."""
        named = [(slide_of(layer), layer) for layer in self._layers]
        return [layer for name, layer in named if name and slide in (None, name)]

    def _inserted(self, event: Any) -> None:
        self._selected = None
        self._link(event.value)

    def _link(self, layer: Any) -> None:
        slide = slide_of(layer)
        if slide is None:
            return
        changed = partial(self._changed, layer, slide)
        events = layer.events
        (events.selected_label if _is_labels(layer) else events.highlight).connect(changed)
        layer.mouse_drag_callbacks.append(partial(self._clicked, slide))

    def _changed(self, layer: Any, slide: str, event: Any = None) -> None:
        number = selected_id(layer)
        if not self._busy and number is not None:
            self.select(slide, number)

    def _clicked(self, slide: str, layer: Any, event: Any) -> Any:
        """Generator, as napari wants it: pressed, moved, released."""
        yield
        if event.type == "mouse_move" or str(layer.mode) != "pan_zoom":
            return
        value = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=event.dims_displayed,
            world=True,
        )
        number = id_under(layer, value)
        if number is not None:
            self.select(slide, number)


def slide_of(layer: Any) -> str | None:
    """Return the name of the slide that a layer of nuclei is of; None for other layers."""
    about = layer.metadata.get(KEY)
    return about.get("slide") if isinstance(about, dict) and "id" in layer.features else None


def row_of(layer: Any, number: int) -> int | None:
    """Return the row of a nucleus in the features of a layer; None if it is not there."""
    rows = np.flatnonzero(np.asarray(layer.features["id"]) == number)
    return int(rows[0]) if len(rows) else None


def selected_id(layer: Any) -> int | None:
    """Return the id of the one nucleus that is selected in a layer; None for none or several."""
    if _is_labels(layer):
        return int(layer.selected_label) or None
    if len(layer.selected_data) != 1:
        return None
    return int(np.asarray(layer.features["id"])[next(iter(layer.selected_data))])


def id_under(layer: Any, value: Any) -> int | None:
    """Return the id of the nucleus of a value of ``layer.get_value``; None if there is none."""
    if _is_labels(layer):
        label = value[1] if isinstance(value, tuple) else value
        return int(label) if label else None
    row = value[0] if isinstance(value, tuple) else value
    return None if row is None else int(np.asarray(layer.features["id"])[int(row)])


def _is_labels(layer: Any) -> bool:
    return hasattr(layer, "selected_label")


def _select(layer: Any, row: int, number: int) -> None:
    if _is_labels(layer):
        layer.selected_label = number
    elif set(layer.selected_data) != {row}:
        layer.selected_data = {row}
