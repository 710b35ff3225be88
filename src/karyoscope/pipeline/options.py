"""What is written of a slide, and how: the options of a run, with those that decide its result."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from karyoscope.core.errors import KaryoscopeError
from karyoscope.export import WRITERS
from karyoscope.features import GROUPS, RADIUS_UM
from karyoscope.inference import Model
from karyoscope.pipeline.measuring import FEATURES
from karyoscope.pipeline.stains.inputs import input_stains
from karyoscope.pipeline.stains.stain import Stain, load_stain
from karyoscope.pipeline.tiling.area import Roi

FORMATS = ("geojson", "parquet", "csv", "labels", "overlay")
"""Formats that are written unless others are asked for."""

_IDENTITY = {"identity": True}


class InvalidOptions(KaryoscopeError):
    """Options that make no sense, or not with each other or with the given slides."""


@dataclass(frozen=True)
class SegmentOptions:
    """What to write, and how.

    Attributes
    ----------
    formats : sequence of str
        Keys of :data:`karyoscope.export.WRITERS`.
    overwrite : bool
        Replace outputs that exist.
    retry_failed : bool
        Of a slide that is finished but could not be read or analysed everywhere, run those
        blocks again.
    preview : bool
        Write ``<stem>.preview.jpg`` before the work begins.
    mpp : float, optional
        Micrometres per pixel of level 0; needed where the file does not state it.
    roi, tissue
        What to analyse; see :func:`karyoscope.pipeline.segment`.
    stain : str, path or Stain, optional
        Changes the colours of the slide before the model's own stain does; see
        :func:`~karyoscope.pipeline.load_stain`.
    features : sequence of str
        Groups of :data:`karyoscope.features.GROUPS` that are measured.
    radius_um : float
        Radius of the circle around a nucleus in which local densities are measured, in µm.

    Raises
    ------
    InvalidOptions
        If a format or feature group is unknown, the radius is not a length, or both ``overwrite``
        and ``retry_failed`` are asked for.
    """

    formats: Sequence[str] = FORMATS
    _: KW_ONLY
    overwrite: bool = False
    retry_failed: bool = False
    preview: bool = False
    mpp: float | None = field(default=None, metadata=_IDENTITY)
    roi: Roi | None = field(default=None, metadata=_IDENTITY)
    tissue: str | Path = field(default="auto", metadata=_IDENTITY)
    stain: str | Path | Stain | None = field(default=None, metadata=_IDENTITY)
    features: Sequence[str] = field(default=FEATURES, metadata=_IDENTITY)
    radius_um: float = field(default=RADIUS_UM, metadata=_IDENTITY)

    def __post_init__(self) -> None:
        _check_names("format", self.formats, WRITERS)
        _check_names("feature group", self.features, GROUPS)
        if not (math.isfinite(self.radius_um) and self.radius_um > 0):
            raise InvalidOptions(f"the radius is a length in µm, not {self.radius_um:g}")
        if self.overwrite and self.retry_failed:
            raise InvalidOptions("overwrite runs everything again: leave retry-failed out")

    def with_stain_for(self, model: Model, threads: int = 0) -> Self:
        """Return these options with the stain loaded for a model.

        Parameters
        ----------
        model : Model
        threads : int
            Threads of the CPU that the stain may use; 0 for all.

        Raises
        ------
        KaryoscopeError
            If the stain cannot be loaded, or the model applies it itself.
        """
        stain = self.stain
        if stain is not None and not isinstance(stain, Stain):
            stain = load_stain(stain, model.mpp, threads)
        input_stains(model, stain)
        return self if stain is self.stain else replace(self, stain=stain)

    def identity(self) -> dict[str, Any]:
        """Options that the table of nuclei depends on, by name, as plain data."""
        options = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata == _IDENTITY}
        if isinstance(self.stain, Stain):
            options["stain"] = self.stain.identity
        return options


def _check_names(kind: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise InvalidOptions(f"no {kind} {name!r}; there are {', '.join(known)}")
