"""The options of a run, including those that determine its result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.faults import known_kinds
from karyoscope.core.limits import check_radius
from karyoscope.core.plugins import PluginError
from karyoscope.core.registry import Registry
from karyoscope.features import EXPANSION_UM, GROUPS, RADIUS_UM
from karyoscope.features.quality import QUALITY
from karyoscope.formats import WRITERS
from karyoscope.formats.summaries.regions import RegionsWriter
from karyoscope.formats.summaries.spatial import SpatialWriter
from karyoscope.inference import Model
from karyoscope.pipeline.measures.measuring import FEATURES
from karyoscope.pipeline.stains.inputs import input_stains
from karyoscope.pipeline.stains.stain import Stain, load_stain
from karyoscope.pipeline.tiling.area import Roi

FORMATS = ("geojson", "parquet", "csv", "labels", "overlay")
"""Formats that are written unless others are requested."""

_IDENTITY = {"identity": True}


class InvalidOptions(KaryoscopeError):
    """Options that are invalid, or contradict each other or the given slides."""


@dataclass(frozen=True)
class SegmentOptions:
    """Options of a segmentation: formats, features, region, stain and resuming.

    Attributes
    ----------
    formats : sequence of str
        Keys of :data:`karyoscope.formats.WRITERS`, in upper or lower case.
    overwrite : bool
        Replace outputs that exist.
    retry_failed : bool
        On a slide that is finished but could not be read or analysed everywhere, run those
        blocks again.
    preview : bool
        Write ``<stem>.preview.jpg`` before the work begins.
    recursive : bool
        Take the slides of the folders in a folder, too.
    mpp : float, optional
        Micrometres per pixel of level 0, where the file does not state it.
    override_mpp : float, optional
        Micrometres per pixel of level 0, whatever the files state.
    scene : int or str, optional
        Which image of files that hold several, by number from 1 or by name; it becomes part of the
        outputs' names. The largest by default, with a warning.
    roi, tissue
        Area to analyse; see :func:`karyoscope.pipeline.segment`.
    annotations : str or path, optional
        GeoJSON that QuPath wrote of a slide, or a folder of such files that are named after
        slides. Nuclei are counted by what is drawn; nothing is left out for it. The format
        ``regions`` is written then, too.
    spatial : bool
        Score immune cells around epithelium, and test nearest distances and co-occurrence of
        classes against random labelling. The format ``spatial`` is written then, too.
    exclude : sequence of str
        Kinds of :data:`karyoscope.core.faults.KINDS`: nuclei and tissue there are left out of all
        results, as if it were glass.
    quality : bool
        Whether faults of the slide are looked for.
    stain : str, path or Stain, optional
        Changes the colours of the slide before the model's own stain does; see
        :func:`~karyoscope.pipeline.load_stain`.
    features : sequence of str
        Groups of :data:`karyoscope.features.GROUPS` that are measured.
    radius_um : float
        Radius of the circle around a nucleus in which local densities are measured, in µm.
    expansion_um : float
        Distance by which nuclei are expanded to cells, in µm, for the features ``cells``.

    Raises
    ------
    InvalidOptions
        If a format, feature group or kind of fault is unknown, the radius is not a length, both
        ``overwrite`` and ``retry_failed`` are requested, or faults are to be left out or flagged
        without being detected.
    """

    formats: Sequence[str] = FORMATS
    _: KW_ONLY
    overwrite: bool = False
    retry_failed: bool = False
    preview: bool = False
    recursive: bool = False
    mpp: float | None = field(default=None, metadata=_IDENTITY)
    override_mpp: float | None = field(default=None, metadata=_IDENTITY)
    scene: int | str | None = field(default=None, metadata=_IDENTITY)
    roi: Roi | str | Path | None = field(default=None, metadata=_IDENTITY)
    tissue: str | Path = field(default="auto", metadata=_IDENTITY)
    annotations: str | Path | None = field(default=None, metadata=_IDENTITY)
    spatial: bool = field(default=False, metadata=_IDENTITY)
    exclude: Sequence[str] = field(default=(), metadata=_IDENTITY)
    quality: bool = True
    stain: str | Path | Stain | None = field(default=None, metadata=_IDENTITY)
    features: Sequence[str] = field(default=FEATURES, metadata=_IDENTITY)
    radius_um: float = field(default=RADIUS_UM, metadata=_IDENTITY)
    expansion_um: float = field(default=EXPANSION_UM, metadata=_IDENTITY)

    def __post_init__(self) -> None:
        object.__setattr__(self, "formats", known_names(self.formats, WRITERS))
        object.__setattr__(self, "features", known_names(self.features, GROUPS))
        for length in (self.radius_um, self.expansion_um):
            wrong = check_radius(length)
            if wrong:
                raise InvalidOptions(wrong)
        if self.overwrite and self.retry_failed:
            raise InvalidOptions("overwrite runs everything again: leave retry-failed out")
        try:
            object.__setattr__(self, "exclude", known_kinds(self.exclude))
        except KaryoscopeError as error:
            raise InvalidOptions(str(error)) from error
        if not self.quality and (self.exclude or QUALITY.name in self.features):
            raise InvalidOptions(
                "exclude and the features 'quality' need the quality control: leave no-quality out"
            )

    @property
    def written_formats(self) -> tuple[str, ...]:
        """The formats, with those of annotations and spatial scores where there are any."""
        further = [] if self.annotations is None else [RegionsWriter.name]
        if self.spatial:
            further.append(SpatialWriter.name)
        return tuple(dict.fromkeys((*self.formats, *further)))

    def with_stain_for(self, model: Model, threads: int = 0) -> Self:
        """Return these options with the stain loaded for a model.

        Parameters
        ----------
        model : Model
            Model whose input is normalised.
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
        for name in ("scene", "annotations", "exclude", "spatial"):
            if not options[name]:
                # Left out, so that runs from before there was any can be resumed.
                del options[name]
        if self.expansion_um == EXPANSION_UM:
            del options["expansion_um"]
        return options


def known_names(names: Sequence[str] | str, known: Registry[Any]) -> tuple[str, ...]:
    """Return names as they were registered.

    Parameters
    ----------
    names : sequence of str, or str
        Names in upper or lower case; a text holds them with commas between.
    known : Registry

    Raises
    ------
    InvalidOptions
        If one is unknown.
    """
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    found = tuple(known.canonical(name) for name in names)
    for name in found:
        try:
            known.find(name)
        except PluginError:
            raise
        except KaryoscopeError as error:
            raise InvalidOptions(str(error)) from error
    return found
