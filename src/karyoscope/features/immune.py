r"""Immune cells in, beside and away from epithelium, and stromal tumour-infiltrating lymphocytes.

Everything is counted on a lattice of 20 µm. A cell of it is **epithelium** where, in the square of
5 x 5 cells (100 µm) around it, at least half of the classified nuclei are epithelial, and two or
more; the other tissue is **stroma**. Immune cells are mononuclear: lymphocytes and plasma cells.

Stromal TILs follow the International Immuno-Oncology Biomarker Working Group (R. Salgado et al.,
"The evaluation of tumor-infiltrating lymphocytes (TILs) in breast cancer", Annals of Oncology 26,
2015; S. Hendry et al., Advances in Anatomic Pathology 24, 2017): the share of the area of the
stroma that mononuclear inflammatory cells occupy, in percent. Here it is the area of their nuclei,
not of their cells, so that values are lower than those that are estimated by eye.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy

STEP_UM = 20.0
EDGE_UM = 60.0
EPITHELIAL = frozenset({"epithelial", "neoplastic", "tumor", "tumour", "malignant"})
IMMUNE = frozenset({"lymphocyte", "plasma", "inflammatory", "lymphocytes", "plasma cell"})
_SQUARE, _LEAST_SHARE, _LEAST_NUCLEI = 5, 0.5, 2

COLUMNS: dict[str, tuple[str, str]] = {
    "epithelium_mm2": (
        "mm²",
        "tissue that is epithelium: half or more of the nuclei in the square of 100 µm around it",
    ),
    "stroma_mm2": ("mm²", "all other tissue"),
    "immune_epithelium_per_mm2": ("1/mm²", "lymphocytes and plasma cells in epithelium, by area"),
    "immune_edge_per_mm2": ("1/mm²", "the same in stroma within 60 µm of epithelium"),
    "immune_beyond_per_mm2": ("1/mm²", "the same in stroma farther away"),
    "stromal_til_percent": (
        "%",
        "area of the nuclei of lymphocytes and plasma cells in stroma / area of the stroma (after"
        " Salgado et al. 2015)",
    ),
}
"""Scores of a slide and of each annotation, with unit and definition."""

MARGIN_UM = 500.0
MARGIN_COLUMNS: dict[str, tuple[str, str]] = {
    "immune_inner_margin_per_mm2": (
        "1/mm²",
        "lymphocytes and plasma cells within 500 µm of the outline, inside, by tissue (invasive"
        " margin of 1 mm: Hendry et al. 2017)",
    ),
    "immune_outer_margin_per_mm2": ("1/mm²", "the same outside"),
}
"""Further scores of each annotation and class of annotation."""


class ImmuneScores:
    """Scores of immune cells, block by block; holds 16 bytes for each square of 20 µm.

    Parameters
    ----------
    taxonomy : Taxonomy
        Without an epithelial or a mononuclear immune class, by name, there are no scores.
    mpp_xy : (float, float)
        Micrometres per pixel of level 0 along x and y.
    size : (int, int)
        Width and height of the slide in pixels of level 0.
    """

    def __init__(
        self, taxonomy: Taxonomy, mpp_xy: tuple[float, float], size: tuple[int, int]
    ) -> None:
        self._epithelial = [c.id for c in taxonomy.classes if c.name.lower() in EPITHELIAL]
        self._immune = [c.id for c in taxonomy.classes if c.name.lower() in IMMUNE]
        self._step = STEP_UM / np.array(mpp_xy)
        self._mm2 = float(np.prod(mpp_xy)) * 1e-6
        shape = [max(1, int(np.ceil(n / s))) for n, s in zip(size, self._step, strict=True)][::-1]
        names = ("epithelial", "all", "immune", "immune_um2", "tissue")
        self._sums = {name: np.zeros(shape, np.float32) for name in names}

    @property
    def known(self) -> bool:
        """Whether the classes allow scores."""
        return bool(self._epithelial and self._immune)

    def add(self, nuclei: Nuclei) -> None:
        """Count a block of nuclei, in pixels of level 0."""
        immune = np.isin(nuclei.class_id, self._immune)
        self._put("epithelial", nuclei.x, nuclei.y, np.isin(nuclei.class_id, self._epithelial))
        self._put("all", nuclei.x, nuclei.y, nuclei.class_id > 0)
        self._put("immune", nuclei.x, nuclei.y, immune)
        self._put("immune_um2", nuclei.x, nuclei.y, immune * nuclei.area_um2)

    def add_tissue(self, x: np.ndarray, y: np.ndarray, pixels: np.ndarray) -> None:
        """Take note of tissue: centres of cells, and what they hold, in pixels of level 0."""
        self._put("tissue", x, y, pixels)

    def _put(self, name: str, x: np.ndarray, y: np.ndarray, values: np.ndarray) -> None:
        sums = self._sums[name]
        column, row = (
            np.clip((places / step).astype(int), 0, limit - 1)
            for places, step, limit in zip((x, y), self._step, sums.shape[::-1], strict=True)
        )
        np.add.at(sums, (row, column), values)

    def epithelium(self) -> np.ndarray:
        """Squares of the lattice that are epithelium: bool, shape (rows, columns)."""
        kernel = (_SQUARE, _SQUARE)
        epithelial, every = (
            cv2.boxFilter(
                self._sums[name], -1, kernel, normalize=False, borderType=cv2.BORDER_CONSTANT
            )
            for name in ("epithelial", "all")
        )
        # Sums of whole numbers, but for rounding.
        return np.asarray(
            (epithelial > _LEAST_NUCLEI - 0.5) & (epithelial > _LEAST_SHARE * every - 1e-3)
        )

    def density(self, within: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float | None:
        """Immune cells per mm² of tissue in a part; None without tissue.

        Parameters
        ----------
        within : callable
            See :meth:`scores`.
        """
        part = self._part(within)
        area = float(self._sums["tissue"][part].sum()) * self._mm2
        return _ratio(float(self._sums["immune"][part].sum()), area)

    def _part(self, within: Callable[[np.ndarray, np.ndarray], np.ndarray] | None) -> np.ndarray:
        shape = self._sums["all"].shape
        if within is None:
            return np.ones(shape, bool)
        rows, columns = (np.arange(n) + 0.5 for n in shape)
        x, y = np.meshgrid(columns * self._step[0], rows * self._step[1])
        return np.asarray(within(x.ravel(), y.ravel())).reshape(shape)

    def scores(
        self, within: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    ) -> dict[str, Any]:
        """Return the scores of the slide or of a part.

        Parameters
        ----------
        within : callable, optional
            ``within(x, y)`` tells which centres of squares, in pixels of level 0, belong to the
            part; all by default.

        Returns
        -------
        dict of str to float or None
            The entries of :data:`COLUMNS`; None where a value has no meaning. Empty where the
            classes allow no scores.
        """
        if not self.known:
            return {}
        epithelium = self.epithelium()
        part = self._part(within)
        stroma = ~epithelium
        distance = np.full(stroma.shape, np.inf)
        if epithelium.any():
            distance = STEP_UM * cv2.distanceTransform(
                stroma.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
            )
        zones = {
            "epithelium": part & epithelium,
            "edge": part & stroma & (distance <= EDGE_UM),
            "beyond": part & stroma & (distance > EDGE_UM),
        }
        areas = {
            name: float(self._sums["tissue"][zone].sum()) * self._mm2
            for name, zone in zones.items()
        }
        counts = {name: float(self._sums["immune"][zone].sum()) for name, zone in zones.items()}
        in_stroma = areas["edge"] + areas["beyond"]
        occupied = float(self._sums["immune_um2"][part & stroma].sum()) * 1e-6
        return {
            "epithelium_mm2": areas["epithelium"],
            "stroma_mm2": in_stroma,
            **{f"immune_{name}_per_mm2": _ratio(counts[name], areas[name]) for name in zones},
            "stromal_til_percent": _ratio(100 * occupied, in_stroma),
        }


def _ratio(part: float, whole: float) -> float | None:
    """Quotient, or None where it has no meaning."""
    return part / whole if whole > 0 else None
