"""OME-Zarr: a pyramid of chunked arrays in a folder (OME-NGFF 0.1 to 0.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import load
from karyoscope.slides._pixels import refuse_narrow, to_rgb
from karyoscope.slides._sniff import reason
from karyoscope.slides.base import Slide, UnsupportedLayout
from karyoscope.slides.grid import pyramid_level
from karyoscope.slides.scale import RecordedScale

_MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3}
_MARKS = ("zarr.json", ".zgroup", ".zattrs")


class ZarrSlide(Slide):
    """The first image of an OME-Zarr folder: 1, 3 or 4 channels of 8 or 16 bits, one plane.

    Needs ``karyoscope[slides]``.
    """

    format: ClassVar[str] = "zarr"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """A folder with the metadata of a Zarr group."""
        return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)

    def _open(self) -> None:
        zarr = load("slides", "zarr", f"{self.path}: reading OME-Zarr")
        try:
            group = zarr.open_group(str(self.path), mode="r")
            image, self._image = _first_image(group)
            self._axes = _axes(self._image)
            self._arrays = [image[dataset["path"]] for dataset in self._image["datasets"]]
        except Exception as error:  # damaged metadata raise many kinds
            raise KaryoscopeError(
                f"{self.path} is not a readable OME-Zarr image: {reason(error)}"
            ) from error
        self._refuse_unreadable()
        size = self._extent(0)
        self.levels = [pyramid_level(size, *self._extent(n)) for n in range(len(self._arrays))]

    def _extent(self, level: int) -> tuple[int, int]:
        shape = self._arrays[level].shape
        return shape[self._axes.index("x")], shape[self._axes.index("y")]

    def _refuse_unreadable(self) -> None:
        array = self._arrays[0]
        lengths = dict(zip(self._axes, array.shape, strict=True))
        channels = lengths.get("c", 1)
        stack = {axis: n for axis, n in lengths.items() if axis not in "cxy" and n > 1}
        if stack:
            what = ", ".join(f"{n} along {axis}" for axis, n in stack.items())
            raise UnsupportedLayout(f"{self.path}: a stack of images ({what}); export one")
        if channels not in (1, 3, 4):
            raise UnsupportedLayout(f"{self.path}: {channels} channels; an H&E image has 3")
        if array.dtype not in (np.uint8, np.uint16):
            raise UnsupportedLayout(
                f"{self.path}: samples are {array.dtype}; only 8 and 16 bits are read"
            )
        if array.dtype == np.uint16:
            refuse_narrow(str(self.path), int(np.asarray(self._arrays[-1][...]).max(initial=0)))

    def _recorded_scale(self) -> RecordedScale:
        named = {
            axis["name"]: axis for axis in self._image.get("axes", []) if isinstance(axis, dict)
        }
        sizes = []
        for axis in "xy":
            unit = _MICROMETRES.get(named.get(axis, {}).get("unit", ""))
            if unit is None:
                return RecordedScale()
            place = self._axes.index(axis)
            size = unit
            for owner in (self._image["datasets"][0], self._image):
                for transform in owner.get("coordinateTransformations", []):
                    if transform.get("type") == "scale":
                        size *= float(transform["scale"][place])
            sizes.append(size)
        return RecordedScale((sizes[0], sizes[1]))

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        window = {"x": slice(x, x + width), "y": slice(y, y + height), "c": slice(None)}
        try:
            part = self._arrays[level][tuple(window.get(axis, 0) for axis in self._axes)]
        except Exception as error:  # each codec has its own kinds
            raise KaryoscopeError(
                f"{self.path}: damaged near x {x}, y {y} of level {level}: {reason(error)}"
            ) from error
        kept = [axis for axis in self._axes if axis in window]
        order = [kept.index(axis) for axis in "yxc" if axis in kept]
        return to_rgb(np.array(np.transpose(part, order)))


def _first_image(group: Any) -> tuple[Any, dict[str, Any]]:
    """Group of the first image and its multiscale metadata."""
    # Converted files put each image into a numbered group of its own.
    for place in (group, group.get("0")):
        attributes = dict(getattr(place, "attrs", {}))
        multiscales = attributes.get("ome", attributes).get("multiscales")
        if multiscales:
            return place, multiscales[0]
    raise ValueError("it has no multiscales metadata")


def _axes(image: dict[str, Any]) -> str:
    # Version 0.3 lists names, later ones objects; before, the order was fixed.
    axes = image.get("axes") or list("tczyx")
    return "".join(axis["name"] if isinstance(axis, dict) else axis for axis in axes)
