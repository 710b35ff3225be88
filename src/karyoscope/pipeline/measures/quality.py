"""Faults of a slide in the part that is analysed: numbers, warnings, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from karyoscope.core.faults import KINDS
from karyoscope.core.nuclei import Nuclei
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Box
from karyoscope.slides import Quality, Slide

#: Share of the tissue with a fault above which there is a warning.
_WARNED = 0.1


def quality_of(slide: Slide, area: Area) -> Quality | None:
    """Look for the faults of a slide; None where its tissue cannot be found."""
    return None if area.mask is None else Quality.of(slide, area.mask)


def sound_area(area: Area, quality: Quality | None, exclude: Sequence[str]) -> Area:
    """Return an area whose tissue excludes the cells that have faults of some kinds."""
    if quality is None or area.mask is None or not exclude:
        return area
    return replace(area, mask=quality.without(area.mask, exclude))


class FaultTally:
    """Tissue and nuclei in faults, block by block.

    Parameters
    ----------
    quality : Quality, optional
        The faults that were found; if None, nothing is counted and nothing is left out.
    area : Area
        Area that is analysed, with all tissue.
    exclude : sequence of str
        Kinds of faults whose nuclei are left out.
    mpp_xy : (float, float)
        Micrometres per pixel of level 0 along x and y.
    """

    def __init__(
        self,
        quality: Quality | None,
        area: Area,
        exclude: Sequence[str],
        mpp_xy: tuple[float, float],
    ) -> None:
        self._quality, self._area, self._exclude = quality, area, tuple(exclude)
        self._mm2 = mpp_xy[0] * mpp_xy[1] * 1e-6
        self._pixels = dict.fromkeys(KINDS, 0.0)
        self._tissue = dict.fromkeys(KINDS, 0.0)
        self._nuclei = dict.fromkeys(KINDS, 0)
        self._all_tissue = 0.0

    def add_area(self, part: Box) -> None:
        """Take note of a part of the grid that was analysed."""
        if self._quality is None:
            return
        cell = self._quality.cell
        x, y, pixels = self._area.tissue_cells(part)
        self._all_tissue += float(pixels.sum())
        for kind, held in self._quality.holding(x, y).items():
            self._tissue[kind] += float(pixels[held].sum())
        for kind, held in self._quality.holding(*self._area.lattice_in(part, cell)).items():
            self._pixels[kind] += float(held.sum()) * cell**2

    def add(self, nuclei: Nuclei) -> Nuclei:
        """Count a block of nuclei, and return those that are not left out."""
        if self._quality is None:
            return nuclei
        for kind, held in self._quality.holding(nuclei.x, nuclei.y).items():
            self._nuclei[kind] += int(held.sum())
        if not self._exclude:
            return nuclei
        return nuclei.take(self._quality.sound(nuclei.x, nuclei.y, self._exclude))

    def rows(self) -> list[dict[str, Any]]:
        """Return what was counted, as plain data.

        Returns
        -------
        list of dict
            For each kind: ``kind``, ``area_mm2`` (cells of 32 µm with the fault in what was
            analysed, glass included), ``tissue_mm2`` (tissue in them), ``share`` (of all tissue,
            0 to 1; None without tissue), ``nuclei`` (whose centroid lies in them) and
            ``excluded`` (whether these are left out). Empty where faults were not looked for.
        """
        if self._quality is None:
            return []
        return [
            {
                "kind": kind,
                "area_mm2": self._pixels[kind] * self._mm2,
                "tissue_mm2": self._tissue[kind] * self._mm2,
                "share": self._tissue[kind] / self._all_tissue if self._all_tissue else None,
                "nuclei": self._nuclei[kind],
                "excluded": kind in self._exclude,
            }
            for kind in self._quality.kinds()
        ]

    def warnings(self) -> list[str]:
        """Lines about faults that cover much of the tissue and are not left out."""
        return [
            f"{100 * row['share']:.0f} % of the tissue has the fault {row['kind']!r}"
            f" ({KINDS[row['kind']].definition}): see the report; --exclude {row['kind']} leaves"
            " it out"
            for row in self.rows()
            if (row["share"] or 0) > _WARNED and not row["excluded"]
        ]

    @property
    def masks(self) -> tuple[Mapping[str, np.ndarray], int] | None:
        """Masks by kind, and the pixels of level 0 that one of them spans."""
        return None if self._quality is None else (self._quality.masks, self._quality.cell)
