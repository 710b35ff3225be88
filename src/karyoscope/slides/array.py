"""NumPy arrays, in memory or as ``.npy`` files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.pixels import alpha_remark, depth_remark, to_rgb, white_point
from karyoscope.slides._sniff import reason
from karyoscope.slides.base import Slide, slide_name
from karyoscope.slides.grid import Level
from karyoscope.slides.scale import RecordedScale

_BAND_ROWS = 256
_NPY_MAGIC = b"\x93NUMPY"


class ArraySlide(Slide):
    """An array of shape (h, w) or (h, w, 1 | 3 | 4): grey, RGB or RGBA over white.

    ``uint8`` is taken as it is, floats from 0..1; of ``uint16`` the white point is found (see
    :func:`karyoscope.core.pixels.white_point`). Floats outside 0..1 are refused. A ``.npy`` file
    is mapped, not loaded.

    Parameters
    ----------
    source : ndarray or path of a ``.npy`` file
    mpp : float
        Micrometres per pixel; arrays do not state it.
    override_mpp : float, optional
        The same.
    name : str, optional
        Name of an array in memory.
    scene : int or str, optional
        An array is one image: 1, if given.
    """

    format: ClassVar[str] = "array"

    def __init__(
        self,
        source: np.ndarray | str | Path,
        mpp: float | None = None,
        override_mpp: float | None = None,
        name: str = "image",
        *,
        scene: int | str | None = None,
    ) -> None:
        self.path = None if isinstance(source, np.ndarray) else Path(source)
        self.scene = scene
        self.name = slide_name(self.path, scene) if self.path else name
        self._array = source if isinstance(source, np.ndarray) else None
        self._start(mpp, override_mpp)

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file is in NumPy's own format."""
        return head.startswith(_NPY_MAGIC)

    def _open(self) -> None:
        label = str(self.path or self.name)
        if self.path is not None:
            try:
                self._array = np.load(self.path, mmap_mode="r", allow_pickle=False)
            except Exception as error:  # a damaged header raises many kinds
                raise KaryoscopeError(
                    f"{label} is not a readable array: {reason(error)}"
                ) from error
        assert self._array is not None
        _refuse_unclear(label, self._array)
        self._look_at_samples(self._array)
        height, width = self._array.shape[:2]
        self.levels = [Level(width, height)]

    def _look_at_samples(self, array: np.ndarray) -> None:
        has_alpha = array.ndim == 3 and array.shape[2] == 4
        if array.dtype.newbyteorder("=") == np.uint16:
            colours = array[..., :3] if has_alpha else array
            self.white_point = white_point(np.asarray(row, np.uint16) for row in _bands(colours))
            self.remarks += tuple(filter(None, [depth_remark(self.white_point)]))
        if has_alpha:
            full = 1.0 if array.dtype.kind == "f" else np.iinfo(array.dtype).max
            hidden = sum(int((band <= full / 2).sum()) for band in _bands(array[..., 3]))
            share = hidden / (array.shape[0] * array.shape[1])
            self.remarks += tuple(filter(None, [alpha_remark(share)]))

    def _recorded_scale(self) -> RecordedScale:
        return RecordedScale()

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        assert self._array is not None, "the slide is closed"
        window = np.array(self._array[y : y + height, x : x + width])
        if window.dtype.kind == "f":
            window = np.rint(window * 255).astype(np.uint8)
        native = window.astype(window.dtype.newbyteorder("="), copy=False)
        return to_rgb(native, white=self.white_point)

    def close(self) -> None:
        """Release the array."""
        self._array = None

    def __getstate__(self) -> dict[str, Any]:
        array = self._array if self.path is None else None
        return super().__getstate__() | {"_array": array}


def _bands(array: np.ndarray) -> Iterator[np.ndarray]:
    """Rows of an array in parts, so that a mapped file is not loaded whole."""
    for top in range(0, array.shape[0], _BAND_ROWS):
        yield array[top : top + _BAND_ROWS]


def _refuse_unclear(label: str, array: np.ndarray) -> None:
    shape = array.shape
    if not (array.ndim == 2 or (array.ndim == 3 and shape[2] in (1, 3, 4))):
        hint = "; move the channels last" if array.ndim == 3 and shape[0] in (1, 3, 4) else ""
        raise KaryoscopeError(
            f"{label}: an array of shape {shape} is not an image (h, w) or (h, w, 3){hint}"
        )
    if 0 in shape:
        raise KaryoscopeError(f"{label}: the array is empty, shape {shape}")
    dtype = array.dtype.newbyteorder("=")
    if dtype in (np.uint8, np.uint16):
        return
    if dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):
            raise KaryoscopeError(
                f"{label}: floats from {low:g} to {high:g} are not 0..1; convert to uint8"
            )
    else:
        raise KaryoscopeError(f"{label}: samples are {dtype}; convert the array to uint8")
