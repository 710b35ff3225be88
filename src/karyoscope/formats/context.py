"""What a file says about its nuclei besides the nuclei: slide, scale, classes, model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import COLUMN, Regions
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.version import own_version

if TYPE_CHECKING:
    from karyoscope.formats.slide_figures import SlideFigures

Reader = Callable[[int, int, int, int, float | None], np.ndarray]


@dataclass(frozen=True)
class ExportContext:
    """Metadata of a file of nuclei: slide, scale, classes and model.

    Attributes
    ----------
    slide : str
        Name of the input, without its folder.
    size : tuple of int
        Width and height of level 0 in pixels.
    mpp : float
        Micrometres per pixel of level 0.
    taxonomy : Taxonomy
        Names of the class ids.
    model, model_version, model_licence : str
        The model that found the nuclei.
    mpp_source : str
        Where the size of a pixel comes from: ``file``, ``objective``, ``given`` or ``override``.
    run_id : str
        Digest of all that the nuclei depend on: slide, model, settings.
    mpp_axes : tuple of float, or None
        Micrometres per pixel along x and y, where a scanner's pixels are not square.
    scanned_from : tuple of int
        Corner, in pixels of level 0, of the part that was scanned, for formats that say so (MRXS,
        SCN). QuPath counts from there; every other position here counts from that of level 0.
    scene : str
        The image of the file that was requested, where it holds several; else empty.
    white_point : int
        Value of the stored samples that was read as white: 255 for 8 bits.
    read : callable
        ``read(x, y, width, height, mpp)``: a window as (height, width, 3) uint8 RGB, in pixels of
        the grid that has ``mpp`` micrometres per pixel (None: level 0) and the origin of level 0.
        Needed by the formats that show pixels.
    page : callable
        Turns the figures of the slide into the text of an HTML page, such as
        :func:`karyoscope.report.slide.slide_page`. Needed by the format ``report``.
    notes : tuple of str
        What a reader should know of the model, such as the tissue that its classes are of.
    measurements : tuple of str
        Names of the further columns that the nuclei have, so that a table without rows has them.
    regions : Regions, optional
        What someone drew on the slide. With it the nuclei have the column ``region`` after all
        others, and pictures show the outlines.
    shown : (int, int, int, int), optional
        Corner, width and height, in pixels of level 0, of what pictures show: the part that was
        analysed. The whole slide by default.
    outline : tuple of ndarray of float, shape (n, 2)
        Rings, in pixels of level 0, around the part that was analysed, where someone drew it.
    """

    slide: str
    size: tuple[int, int]
    mpp: float
    taxonomy: Taxonomy
    model: str = ""
    model_version: str = ""
    model_licence: str = ""
    mpp_source: str = ""
    run_id: str = ""
    mpp_axes: tuple[float, float] | None = None
    scanned_from: tuple[int, int] = (0, 0)
    scene: str = ""
    white_point: int = 255
    read: Reader | None = None
    page: Callable[[SlideFigures], str] | None = None
    measurements: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    regions: Regions | None = None
    shown: tuple[int, int, int, int] | None = None
    outline: tuple[np.ndarray, ...] = ()

    @property
    def shown_box(self) -> tuple[int, int, int, int]:
        """Corner, width and height, in pixels of level 0, of what pictures show."""
        return self.shown or (0, 0, *self.size)

    @property
    def mpp_x(self) -> float:
        """Micrometres per pixel along x."""
        return self.mpp_axes[0] if self.mpp_axes else self.mpp

    @property
    def mpp_y(self) -> float:
        """Micrometres per pixel along y."""
        return self.mpp_axes[1] if self.mpp_axes else self.mpp

    @property
    def area_mm2(self) -> float:
        """Area of the whole image in square millimetres."""
        return self.size[0] * self.mpp_x * self.size[1] * self.mpp_y * 1e-6

    def empty(self) -> Nuclei:
        """A table without rows, and with all columns."""
        names = (*self.measurements, *(() if self.regions is None else (COLUMN,)))
        columns = {n: np.zeros(0, object if n == COLUMN else np.float32) for n in names}
        return replace(Nuclei.empty(self.taxonomy, self.mpp), measurements=columns)

    def provenance(self) -> dict[str, Any]:
        """Plain data for the header of a file: slide, scale, model, software."""
        # Only where it matters, so that most headers have no need of an explanation.
        cropped = {"scanned_from": list(self.scanned_from)} if any(self.scanned_from) else {}
        return {
            "slide": self.slide,
            **({"scene": self.scene} if self.scene else {}),
            "size": list(self.size),
            **cropped,
            **({"white_point": self.white_point} if self.white_point != 255 else {}),
            "mpp": self.mpp,
            "mpp_axes": [self.mpp_x, self.mpp_y],
            "mpp_source": self.mpp_source,
            "run_id": self.run_id,
            "model": {
                "name": self.model,
                "version": self.model_version,
                "licence": self.model_licence,
            },
            "software": f"karyoscope {own_version()}",
        }

    def uuid(self, place: int = 0) -> str:
        """UUID of a nucleus, or of the file: version 8 (RFC 9562, free contents).

        It begins with a digest of :meth:`provenance`, so that runs of other settings have others,
        and ends in the place of the nucleus, so that it denotes the same nucleus in every run of
        these settings, also where one found more than another.

        Parameters
        ----------
        place : int
            Place of a region, of :meth:`places`; 0 for the file.
        """
        return f"{self._uuid_prefix}{place:012x}"

    @staticmethod
    def places(nuclei: Nuclei) -> np.ndarray:
        """Centroids of nuclei in steps of 1/64 px, x and y in 24 bits each: int64, shape (n,)."""
        x, y = (
            np.rint(np.asarray(v, np.float64) * 64).astype(np.int64) for v in (nuclei.x, nuclei.y)
        )
        return ((x & 0xFFFFFF) << 24) | (y & 0xFFFFFF)

    @cached_property
    def _uuid_prefix(self) -> str:
        text = json.dumps(self.provenance(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-"
