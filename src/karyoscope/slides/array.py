"""NumPy arrays, in memory or as ``.npy`` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides._pixels import refuse_narrow, to_rgb
from karyoscope.slides._sniff import reason
from karyoscope.slides.base import Slide, slide_name
from karyoscope.slides.grid import Level
from karyoscope.slides.scale import RecordedScale

_NPY_MAGIC = b"\x93NUMPY"


class ArraySlide(Slide):
    """An array of shape (h, w) or (h, w, 1 | 3 | 4): grey, RGB or RGBA over white.

    ``uint8`` is taken as it is, ``uint16`` is scaled from 0..65535, floats from 0..1. Where the
    values leave the white point open (floats above 1, 16-bit values below 4096) the array is
    refused. A ``.npy`` file is mapped, not loaded.

    Parameters
    ----------
    source : ndarray or path of a ``.npy`` file
    mpp : float
        Micrometres per pixel; arrays do not state it.
    name : str, optional
        Name of an array in memory.
    """

    format: ClassVar[str] = "array"

    def __init__(
        self, source: np.ndarray | str | Path, mpp: float | None = None, name: str = "image"
    ) -> None:
        self.path = None if isinstance(source, np.ndarray) else Path(source)
        self.name = slide_name(self.path) if self.path else name
        self._array = source if isinstance(source, np.ndarray) else None
        self._start(mpp)

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """NumPy's own file format."""
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
        height, width = self._array.shape[:2]
        self.levels = [Level(width, height)]

    def _recorded_scale(self) -> RecordedScale:
        return RecordedScale()

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        assert self._array is not None, "the slide is closed"
        window = np.array(self._array[y : y + height, x : x + width])
        if window.dtype.kind == "f":
            window = np.rint(window * 255).astype(np.uint8)
        return to_rgb(window.astype(window.dtype.newbyteorder("="), copy=False))

    def close(self) -> None:
        """Let go of the array."""
        self._array = None

    def __getstate__(self) -> dict[str, Any]:
        array = self._array if self.path is None else None
        return super().__getstate__() | {"_array": array}


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
    if dtype == np.uint8:
        return
    if dtype == np.uint16:
        refuse_narrow(label, int(array.max()))
    elif dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (low >= 0 and high <= 1):
            raise KaryoscopeError(
                f"{label}: floats from {low:g} to {high:g} are not 0..1; convert to uint8"
            )
    else:
        raise KaryoscopeError(f"{label}: samples are {dtype}; convert the array to uint8")
