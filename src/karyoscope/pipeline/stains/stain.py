"""Slides whose colours are changed between the file and the model that reads them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.plugins import file_of, name_and_argument, short_name, split_name
from karyoscope.core.scale import same_scale
from karyoscope.pipeline.stains.restainer import Restainer
from karyoscope.pipeline.stains.sampling import sample_pixels
from karyoscope.pipeline.tiling.blocks import Box
from karyoscope.slides import Slide, find_slides, open_slide
from karyoscope.slides.scale import RecordedScale
from karyoscope.stains import NORMALISERS, Normaliser, Recolour, Reinhard, build_normaliser

_THREE = r"-?\d+(\.\d+)?(,-?\d+(\.\d+)?){2}"
#: A stain that is all in its name: mean and standard deviation of L, a and b.
_STATISTICS = re.compile(f"reinhard:{_THREE}/{_THREE}")


@dataclass(frozen=True)
class Stain:
    """A stain normaliser with its name.

    Attributes
    ----------
    normaliser : Normaliser
    identity : dict
        Plain data; equal for two that do the same.
    source : tuple
        Arguments of :func:`load_stain` that gave it.
    mpp : float or None
        Micrometres per pixel that it works at; any if None.
    """

    normaliser: Normaliser
    identity: dict[str, Any]
    source: tuple[str | Path, float | None, int]
    mpp: float | None = None

    def over(self, slide: Slide, mpp: float | None = None) -> StainedSlide:
        """Fit the normaliser to a slide, and return the slide with normalised colours.

        What is read does not depend on the window that it is read through, nor on the part of the
        slide that is analysed: the whole slide is measured.

        Parameters
        ----------
        slide : Slide
            Slide whose pixels are changed.
        mpp : float, optional
            Scale at which it will be read, and is measured; the slide's own by default.

        Raises
        ------
        KaryoscopeError
            If the normaliser works at another scale.
        """
        asked = slide.mpp if mpp is None else mpp
        if self.mpp is not None and not same_scale(asked, self.mpp):
            raise KaryoscopeError(
                f"stain {self.identity['name']!r} works at {self.mpp:g} µm/px, not at {asked:g};"
                " train one at that scale"
            )
        measured = self.normaliser.measured
        pixels = sample_pixels(slide, mpp) if measured else np.empty((0, 3), np.uint8)
        return StainedSlide(slide, self.normaliser.fit(pixels))

    def __reduce__(self) -> tuple[Any, ...]:
        # An engine stays in its process; another loads its own.
        return load_stain, self.source


def is_normaliser(name: str) -> bool:
    """Whether a name is that of a normaliser: built in, of a package, or of a plugin file."""
    return split_name(name) is not None or name in NORMALISERS.names()


def load_stain(spec: str | Path, mpp: float | None = None, threads: int = 0) -> Stain:
    """Load what ``--stain`` names.

    Parameters
    ----------
    spec : str or path
        ``macenko:IMAGE`` or ``reinhard:IMAGE``, with a slide or image to resemble, or a folder or
        glob of them; ``reinhard:L,a,b/L,a,b``, the mean and the standard deviation of the
        target in CIE LAB; ``clahe``; or the bundle of a RestainNet.
    mpp : float, optional
        Micrometres per pixel at which the image to resemble is read, where it states a scale.
    threads : int
        Threads of the CPU that a RestainNet may use; 0 for all.

    Raises
    ------
    KaryoscopeError
        If there is no such normaliser, or the image or bundle cannot be used.
    """
    name, target = name_and_argument(str(spec))
    if _STATISTICS.fullmatch(str(spec)):
        mean, spread = ([float(v) for v in part.split(",")] for part in str(target).split("/"))
        reinhard = Reinhard.of_statistics(mean, spread)
        return Stain(reinhard, {"name": name} | reinhard.describe(), (spec, mpp, threads))
    if is_normaliser(name):
        pixels = _pixels_of(target, mpp) if target else None
        try:
            normaliser = build_normaliser(name, pixels)
        except KaryoscopeError as error:
            raise KaryoscopeError(f"stain {str(spec)!r}: {error}") from error
        said = {"target": Path(target).name} if target else {}
        used = file_of(name)
        if used is not None:
            said["sha256"] = used.sha256
        identity = {"name": short_name(name)} | said | normaliser.describe()
        return Stain(normaliser, identity, (spec, mpp, threads))
    if not Path(spec).exists():
        known = ", ".join(NORMALISERS.names())
        raise KaryoscopeError(
            f"no stain {str(spec)!r}: it is {known} (with :IMAGE where one is to"
            " be resembled) or the bundle of a RestainNet"
        )
    restainer = Restainer.open(spec, threads)
    identity = {"name": restainer.name} | restainer.describe()
    return Stain(restainer, identity, (spec, mpp, threads), restainer.bundle.card.mpp)


def holds_its_target(spec: str) -> bool:
    """Whether the name of a stain defines it completely, so that recipes and bundles may use it."""
    if _STATISTICS.fullmatch(spec):
        return True
    return is_normaliser(spec) and not NORMALISERS.find(spec).targeted


def _pixels_of(target: str, mpp: float | None) -> np.ndarray:
    """Pixels of all that a file, folder or glob names."""
    found, problems = find_slides([target])
    if problems:
        raise KaryoscopeError(problems[0])
    pixels = []
    for path in found:
        try:
            slide, at = open_slide(path), mpp
        except KaryoscopeError:
            # Colours can be measured where lengths cannot. What else is wrong shows again.
            slide, at = open_slide(path, mpp=1.0), None
        with slide:
            pixels.append(sample_pixels(slide, at))
    return np.concatenate(pixels)


class StainedSlide(Slide):
    """A slide whose pixels are normalised when they are read; all else is that of the slide.

    Its thumbnail is not changed: tissue is found on the slide as it is.

    Parameters
    ----------
    slide : Slide
    change : Recolour
        Settled for this slide. Around a window, what it needs is read too.
    """

    format = "stained"

    def __init__(self, slide: Slide, change: Recolour) -> None:
        self.slide, self.change = slide, change
        self.path, self.name = slide.path, slide.name
        self.levels = slide.levels
        self.mpp_xy, self.mpp_source = slide.mpp_xy, slide.mpp_source

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Return False: no file is in this format."""
        return False

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """The slide's."""
        return self.slide.bounds

    @property
    def channels(self) -> tuple[str, ...]:
        """The slide's."""
        return self.slide.channels

    @property
    def distrusted(self) -> frozenset[int]:
        """The slide's."""
        return self.slide.distrusted

    def _open(self) -> None:
        """Nothing to open: the slide is."""

    def __getstate__(self) -> dict[str, Any]:
        return {"slide": self.slide, "change": self.change}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def _recorded_scale(self) -> RecordedScale:
        return RecordedScale()

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        return self.slide._read_level(level, x, y, width, height)

    def read(self, x: int, y: int, width: int, height: int, mpp: float | None = None) -> np.ndarray:
        """Read a window; as :meth:`karyoscope.slides.Slide.read`."""
        context, align = self.change.context, self.change.align
        if context == 0 and align == 1:
            return self.change(self.slide.read(x, y, width, height, mpp))
        grid = self.slide.grid(mpp)
        whole = Box(0, 0, grid.width, grid.height)
        window = Box(x, y, x + width, y + height)
        rgb = np.full((height, width, 3), 255, np.uint8)
        inside = window.shared(whole)
        if inside.empty:
            return rgb
        wide = Box(
            _down(inside.left - context, align),
            _down(inside.top - context, align),
            -_down(-inside.right - context, align),
            -_down(-inside.bottom - context, align),
        ).shared(whole)
        changed = self.change(self.slide.read(wide.left, wide.top, wide.width, wide.height, mpp))
        rgb[_within(inside, window)] = changed[_within(inside, wide)]
        return rgb


def _down(value: int, step: int) -> int:
    return math.floor(value / step) * step


def _within(part: Box, whole: Box) -> tuple[slice, slice]:
    """Rows and columns of a box in an array of another."""
    return (
        slice(part.top - whole.top, part.bottom - whole.top),
        slice(part.left - whole.left, part.right - whole.left),
    )
