"""Slides as if they had been stained otherwise: between a slide and the model that reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.errors import KaryoscopeError
from karyoscope.export.base import Reader
from karyoscope.pipeline.blocks import Box
from karyoscope.pipeline.restainer import Restainer
from karyoscope.pipeline.sampling import sample_pixels
from karyoscope.slides import Slide, open_slide
from karyoscope.slides.grid import SAME_SCALE
from karyoscope.stains import NORMALISERS, Normaliser, Recolour, build_normaliser


@dataclass(frozen=True)
class Stain:
    """A normaliser, and what it is called.

    Attributes
    ----------
    normaliser : Normaliser
    identity : dict
        Plain data; equal for two that do the same.
    mpp : float or None
        Micrometres per pixel that it works at; any if None.
    """

    normaliser: Normaliser
    identity: dict[str, Any]
    mpp: float | None = None

    def reader(self, slide: Slide, mpp: float | None = None, read: Reader | None = None) -> Reader:
        """Measure a slide, and read it with other colours from then on.

        What is read does not depend on the window that it is read through, nor on the part of the
        slide that is analysed: the whole slide is measured.

        Parameters
        ----------
        slide : Slide
        mpp : float, optional
            Scale at which it will be read, and is measured; the slide's own by default.
        read : callable, optional
            In place of ``slide.read``.

        Raises
        ------
        KaryoscopeError
            If the normaliser works at another scale.
        """
        asked = slide.mpp if mpp is None else mpp
        if self.mpp is not None and abs(asked / self.mpp - 1) > SAME_SCALE:
            raise KaryoscopeError(
                f"stain {self.identity['name']!r} works at {self.mpp:g} µm/px, not at {asked:g};"
                " train one at that scale"
            )
        change = self.normaliser.fit(sample_pixels(slide, mpp))
        return _Reading(slide, change, read or slide.read).read


def load_stain(spec: str | Path, mpp: float | None = None, threads: int = 0) -> Stain:
    """Load what ``--stain`` names.

    Parameters
    ----------
    spec : str or path
        ``macenko:IMAGE`` or ``reinhard:IMAGE``, with a slide or image to resemble; ``clahe``; or
        the bundle of a RestainNet.
    mpp : float, optional
        Micrometres per pixel at which the image to resemble is read, where it states a scale.
    threads : int
        Of the CPU; 0 for all.

    Raises
    ------
    KaryoscopeError
        If there is no such normaliser, or the image or bundle cannot be used.
    """
    name, _, target = str(spec).partition(":")
    if name in NORMALISERS:
        pixels = _pixels_of(Path(target), mpp) if target else None
        try:
            normaliser = build_normaliser(name, pixels)
        except KaryoscopeError as error:
            raise KaryoscopeError(f"stain {str(spec)!r}: {error}") from error
        said = {"target": Path(target).name} if target else {}
        return Stain(normaliser, {"name": name} | said | normaliser.describe())
    if not Path(spec).exists():
        raise KaryoscopeError(
            f"no stain {str(spec)!r}: it is {', '.join(NORMALISERS)} (with :IMAGE where one is to"
            " be resembled) or the bundle of a RestainNet"
        )
    restainer = Restainer.open(spec, threads)
    identity = {"name": restainer.name} | restainer.describe()
    return Stain(restainer, identity, restainer.bundle.card.mpp)


def _pixels_of(path: Path, mpp: float | None) -> np.ndarray:
    try:
        slide = open_slide(path)
    except KaryoscopeError:
        # Colours can be measured where lengths cannot. What else is wrong shows again.
        slide, mpp = open_slide(path, mpp=1.0), None
    with slide:
        return sample_pixels(slide, mpp)


@dataclass(frozen=True)
class _Reading:
    """Reads around a window what the change of its colours needs."""

    slide: Slide
    change: Recolour
    raw: Reader

    def read(self, x: int, y: int, width: int, height: int, mpp: float | None = None) -> np.ndarray:
        """As :meth:`karyoscope.slides.Slide.read`."""
        context, align = self.change.context, self.change.align
        if context == 0 and align == 1:
            return self.change(self.raw(x, y, width, height, mpp))
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
        changed = self.change(self.raw(wide.left, wide.top, wide.width, wide.height, mpp))
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
