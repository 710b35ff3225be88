"""What a page about a slide shows, as plain arrays: the value that the report writer collects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class SlideFigures:
    """Summary, picture, density maps and area distributions of one slide.

    Attributes
    ----------
    summary : mapping
        The content of ``<stem>.summary.json``.
    whole : ndarray of uint8, shape (h, w, 3)
        The slide with its nuclei drawn on it, RGB.
    ground : ndarray of uint8, shape (h', w', 3)
        The slide without nuclei, reduced: the ground of the density maps.
    densities : mapping of str to ndarray of float32, shape (rows, columns)
        Nuclei per mm² in square bins over the slide, by class.
    bin_um : float
        Edge of a bin in µm.
    extent_um : tuple of float
        Width and height of the slide in µm; the last bins may reach beyond it.
    areas : mapping of str to ndarray of int, shape (n,)
        Number of nuclei of a class by area, in steps of 1 µm²; the last entry counts all nuclei
        that are larger.
    tissue : ndarray of uint8, shape (h', w', 3), optional
        The slide, reduced, with the outline of the tissue that was measured.
    shown : (int, int, int, int), optional
        Corner, width and height, in pixels of level 0, of the part that the pictures show; the
        whole slide if None.
    quality : ndarray of uint8, shape (h', w', 3), optional
        The slide, reduced, with the faults that were found in their colours.
    regions : mapping of str to ndarray of uint8, shape (h, w, 3)
        Pictures of annotations by name, the first ones only.
    """

    summary: Mapping[str, Any]
    whole: np.ndarray
    ground: np.ndarray
    densities: Mapping[str, np.ndarray]
    bin_um: float
    extent_um: tuple[float, float]
    areas: Mapping[str, np.ndarray]
    tissue: np.ndarray | None = None
    shown: tuple[int, int, int, int] | None = None
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)
    quality: np.ndarray | None = None
