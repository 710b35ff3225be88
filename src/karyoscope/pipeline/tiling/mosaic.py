"""Maps of the windows that are still needed, and the maps of a block pieced together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from karyoscope.core.maps import map_length
from karyoscope.inference import Maps
from karyoscope.pipeline.tiling.blocks import Box, Window
from karyoscope.pipeline.tiling.half_precision import to_half, to_single


class Mosaic:
    """Holds the cores of windows in half precision until they are dropped.

    Parameters
    ----------
    strides : mapping of str to int
        Maps to hold, and the stride of each. A map with stride s has one value for each s x s
        pixels, counted from the top left pixel of the slide: every box starts at a multiple of s.
    """

    def __init__(self, strides: Mapping[str, int]) -> None:
        self._strides = strides
        self._cores: dict[Window, tuple[Box, Maps]] = {}

    def put(self, window: Window, maps: Maps) -> None:
        """Keep the core of a window's maps."""
        self.put_core(window, core_of(window, maps, self._strides))

    def put_core(self, window: Window, core: Maps) -> None:
        """Keep what :func:`core_of` gave for a window."""
        self._cores[window] = window.core, core

    def drop(self, windows: Iterable[Window]) -> None:
        """Forget windows."""
        for window in windows:
            del self._cores[window]

    def cut(self, window: Window, top: int) -> None:
        """Forget the rows of a window above ``top``, a multiple of all strides."""
        box, maps = self._cores[window]
        rest = replace(box, top=top)
        self._cores[window] = (
            rest,
            {
                # A copy, since a part of an array holds the whole of it.
                name: values[_inside(rest, box, self._strides[name])].copy()
                for name, values in maps.items()
            },
        )

    def only(self, windows: Iterable[Window]) -> Mosaic:
        """Return a mosaic of some windows, which holds them when they are dropped here."""
        part = Mosaic(self._strides)
        part._cores = {window: self._cores[window] for window in windows}
        return part

    def assemble(self, box: Box, windows: Sequence[Window], blank: Sequence[Window] = ()) -> Maps:
        """Maps of a box, float32, from windows whose cores cover it.

        Parameters
        ----------
        box : Box
        windows : sequence of Window
            At least one; all must be held.
        blank : sequence of Window, optional
            Windows that were not run, and whose maps are zeros.
        """
        return {name: self._assemble(name, box, windows, blank) for name in self._strides}

    def _assemble(
        self, name: str, box: Box, windows: Sequence[Window], blank: Sequence[Window]
    ) -> np.ndarray:
        stride = self._strides[name]
        rows, columns = map_length(box.height, stride), map_length(box.width, stride)
        channels = self._cores[windows[0]][1][name].shape[2:]
        out = np.empty((rows, columns, *channels), np.float32)
        for window in blank:
            out[_inside(box.shared(window.core), box, stride)] = 0
        for window in windows:
            held, maps = self._cores[window]
            shared = box.shared(held)
            if shared.top > box.shared(window.core).top:
                raise KeyError(window)
            out[_inside(shared, box, stride)] = to_single(maps[name][_inside(shared, held, stride)])
        return out


def core_of(window: Window, maps: Maps, strides: Mapping[str, int]) -> Maps:
    """Cut the core out of a window's maps, in half precision: less than half of their bytes.

    Parameters
    ----------
    window : Window
    maps : dict of str to ndarray of float32
        Maps of what the window reads.
    strides : mapping of str to int
        Maps to keep, and the stride of each.

    Returns
    -------
    dict of str to ndarray of float16
    """
    return {
        name: to_half(maps[name][_inside(window.core, window.read, stride)])
        for name, stride in strides.items()
    }


def _inside(inner: Box, outer: Box, stride: int) -> tuple[slice, slice]:
    """Slices of an outer box's map that hold an inner box."""
    return (
        slice((inner.top - outer.top) // stride, -(-(inner.bottom - outer.top) // stride)),
        slice((inner.left - outer.left) // stride, -(-(inner.right - outer.left) // stride)),
    )
