"""Masks of the faults of a slide, and what lies in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from karyoscope.core.faults import KINDS
from karyoscope.slides.base import Slide
from karyoscope.slides.quality.rules import faults_of
from karyoscope.slides.quality.sums import CELL, PIXEL_UM, cell_sums
from karyoscope.slides.tissue import Tissue


@dataclass(frozen=True)
class Quality:
    """Faults of a slide by kind, in cells of about 32 µm.

    Attributes
    ----------
    masks : mapping of str to ndarray of bool, shape (rows, columns)
        Cells that have a fault, by the name of its kind.
    cell : int
        Pixels of level 0 along the edge of a cell.
    """

    masks: Mapping[str, np.ndarray]
    cell: int

    @classmethod
    def of(cls, slide: Slide, tissue: Tissue) -> Self:
        """Look for faults where a slide may hold nuclei.

        Parameters
        ----------
        slide : Slide
            Read at about 2 µm per pixel (a whole multiple of its own), a tile after the other.
        tissue : Tissue
            Its tissue.

        Notes
        -----
        Memory: 48 bytes for each cell of 32 µm, 5 MB for a square centimetre, and one tile.
        """
        factor = max(1, round(PIXEL_UM / slide.mpp))
        masks = faults_of(cell_sums(slide, tissue, factor))
        return cls(masks, factor * CELL)

    def holding(self, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Find out which points lie in cells with which faults.

        Parameters
        ----------
        x, y : ndarray of float, shape (n,)
            Points in pixels of level 0.

        Returns
        -------
        dict of str to ndarray of bool, shape (n,)
            By the name of the kind.
        """
        return {name: _at(mask, x, y, self.cell) for name, mask in self.masks.items()}

    def any_of(self, kinds: Iterable[str]) -> np.ndarray:
        """Cells that have a fault of one of some kinds: bool, shape (rows, columns)."""
        found = np.zeros_like(next(iter(self.masks.values())))
        for kind in kinds:
            found |= self.masks[kind]
        return found

    def sound(self, x: np.ndarray, y: np.ndarray, kinds: Iterable[str]) -> np.ndarray:
        """Whether points, in pixels of level 0, lie in no fault of some kinds."""
        return ~_at(self.any_of(kinds), x, y, self.cell)

    def without(self, tissue: Tissue, kinds: Iterable[str]) -> Tissue:
        """Return the tissue without cells of some faults; the same area is searched."""
        mask, left_out = tissue.mask, self.any_of(kinds)
        rows, columns = ((np.arange(n) + 0.5) * tissue.scale for n in mask.shape)
        row, column = (
            np.minimum((places // self.cell).astype(int), limit - 1)
            for places, limit in zip((rows, columns), left_out.shape, strict=True)
        )
        return tissue.with_mask(mask & ~left_out[np.ix_(row, column)])

    def kinds(self) -> tuple[str, ...]:
        """Names of the kinds, in the order of tables."""
        return tuple(name for name in KINDS if name in self.masks)


def _at(mask: np.ndarray, x: np.ndarray, y: np.ndarray, cell: int) -> np.ndarray:
    row, column = (
        np.clip(np.asarray(places) // cell, 0, limit - 1).astype(int)
        for places, limit in zip((y, x), mask.shape, strict=True)
    )
    return np.asarray(mask[row, column])
