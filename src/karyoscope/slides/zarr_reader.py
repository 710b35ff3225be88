"""OME-Zarr: a pyramid of chunked arrays in a folder (OME-NGFF 0.1 to 0.5)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import load
from karyoscope.core.pixels import alpha_remark, depth_remark, to_rgb, white_point
from karyoscope.slides._sniff import reason
from karyoscope.slides.base import Slide, UnsupportedLayout
from karyoscope.slides.grid import pyramid_level
from karyoscope.slides.scale import RecordedScale
from karyoscope.slides.scenes import Scene, is_auxiliary
from karyoscope.slides.units import micrometres

_EDGE, _PLACES = 256, 7
_MARKS = ("zarr.json", ".zgroup", ".zattrs")


class ZarrSlide(Slide):
    """An image of an OME-Zarr folder: 1, 3 or 4 channels of 8 or 16 bits, one plane.

    Where a folder holds several images, one of them is read (see
    :func:`karyoscope.slides.open_slide`). A fourth channel is
    alpha where its label says so, and is left out otherwise. Needs ``karyoscope[slides]``.
    """

    format: ClassVar[str] = "zarr"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether it is a folder with the metadata of a Zarr group."""
        return path.is_dir() and any((path / mark).is_file() for mark in _MARKS)

    def _open(self) -> None:
        zarr = load("slides", "zarr", f"{self.path}: reading OME-Zarr")
        try:
            group = zarr.open_group(str(self.path), mode="r")
            images = _images(group)
            scenes = [_scene(place, metadata) for place, metadata in images]
            named = [n for n, scene in enumerate(scenes) if not is_auxiliary(scene.name)]
            kept = named or list(range(len(scenes)))
            chosen = kept[self._choose([scenes[n] for n in kept])]
            image, self._image = images[chosen]
            self._axes = _axes(self._image)
            self._omero = _omero(image)
            self._arrays = [image[dataset["path"]] for dataset in self._image["datasets"]]
            self._alpha = _labelled_alpha(image)
        except KaryoscopeError:
            raise
        except Exception as error:  # damaged metadata raise many kinds
            raise KaryoscopeError(
                f"{self.path} is not a readable OME-Zarr image: {reason(error)}"
            ) from error
        self._refuse_unreadable()
        self._look_at_samples()
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

    def _look_at_samples(self) -> None:
        """Find the white point and what alpha hides, from places all over the image."""
        array = self._arrays[0]
        has_fourth = dict(zip(self._axes, array.shape, strict=True)).get("c", 1) == 4
        found = []
        if array.dtype == np.uint16:
            self.white_point = white_point(part[..., :3] for part in self._spread())
            found.append(depth_remark(self.white_point))
        if has_fourth and self._alpha:
            half = np.iinfo(array.dtype).max // 2
            hidden = [float((part[..., 3] <= half).mean()) for part in self._spread()]
            found.append(alpha_remark(float(np.mean(hidden))))
        elif has_fourth:
            found.append("its fourth channel is not labelled alpha and is left out")
        self.remarks += tuple(filter(None, found))

    def _spread(self) -> Iterator[np.ndarray]:
        width, height = self._extent(0)
        edge = min(_EDGE, width, height)
        for y in np.unique(np.linspace(0, height - edge, _PLACES).astype(int)):
            for x in np.unique(np.linspace(0, width - edge, _PLACES).astype(int)):
                with suppress(KaryoscopeError):  # named where it is read
                    yield self._stored(0, int(x), int(y), edge, edge)

    def _recorded_scale(self) -> RecordedScale:
        named = {
            axis["name"]: axis for axis in self._image.get("axes", []) if isinstance(axis, dict)
        }
        sizes = []
        for axis in "xy":
            unit = micrometres(str(named.get(axis, {}).get("unit", "")))
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

    @property
    def channels(self) -> tuple[str, ...]:
        """Labels of the channels, where the metadata for viewers (``omero``) hold some."""
        found = self._omero.get("channels")
        labels = [c.get("label") for c in found or [] if isinstance(c, dict)]
        return tuple(str(label) for label in labels if label)

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        stored = self._stored(level, x, y, width, height)
        return to_rgb(stored, white=self.white_point, alpha=self._alpha)

    def _stored(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Samples of a window: (height, width), or (height, width, channels)."""
        window = {"x": slice(x, x + width), "y": slice(y, y + height), "c": slice(None)}
        try:
            part = self._arrays[level][tuple(window.get(axis, 0) for axis in self._axes)]
        except Exception as error:  # each codec has its own kinds
            raise KaryoscopeError(
                f"{self.path}: damaged near x {x}, y {y} of level {level}: {reason(error)}"
            ) from error
        kept = [axis for axis in self._axes if axis in window]
        order = [kept.index(axis) for axis in "yxc" if axis in kept]
        return np.ascontiguousarray(np.transpose(part, order))


def _images(group: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Groups of the images with their multiscale metadata, in order."""
    found = []
    # Converted files put each image into a numbered group of its own.
    numbered = sorted((name for name in group.group_keys() if name.isdecimal()), key=int)
    for place in (group, *(group[name] for name in numbered)):
        attributes = dict(getattr(place, "attrs", {}))
        multiscales = attributes.get("ome", attributes).get("multiscales")
        if multiscales:
            found.append((place, multiscales[0]))
    if not found:
        raise ValueError("it has no multiscales metadata")
    return found


def _scene(place: Any, image: dict[str, Any]) -> Scene:
    array = place[image["datasets"][0]["path"]]
    axes = _axes(image)
    size = array.shape[axes.index("x")], array.shape[axes.index("y")]
    name = str(image.get("name") or "")
    # Many writers give the name of the group, which tells no more than the number.
    return Scene("" if name.strip("/") in ("", "0") or name.isdecimal() else name, *size)


def _labelled_alpha(place: Any) -> bool:
    attributes = dict(place.attrs)
    channels = attributes.get("ome", attributes).get("omero", {}).get("channels", [])
    return len(channels) == 4 and str(channels[3].get("label", "")).lower() in ("a", "alpha")


def _omero(image: Any) -> dict[str, Any]:
    attributes = dict(image.attrs)
    found = attributes.get("ome", attributes).get("omero")
    return found if isinstance(found, dict) else {}


def _axes(image: dict[str, Any]) -> str:
    # Version 0.3 lists names, later ones objects; before, the order was fixed.
    axes = image.get("axes") or list("tczyx")
    return "".join(axis["name"] if isinstance(axis, dict) else axis for axis in axes)
