"""The results of a run that are known at its end, passed to the writers as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from karyoscope.core.bitmask import BitMask


@dataclass(frozen=True)
class RunReport:
    """What a run reports besides its nuclei.

    Attributes
    ----------
    analysed_mm2 : float, optional
        Area that was looked at, glass included, in mm². None stands for that of the whole image.
    tissue_mm2 : float, optional
        Tissue in it, in mm²: what densities refer to. None where it is not known.
    tissue_mask : (ndarray of bool or BitMask, float), optional
        Where the tissue is: a mask of the slide, and the pixels of level 0 that one of it spans.
    seconds : mapping of str to float
        Time of each stage, in seconds.
    unread_regions : sequence of [x, y, width, height]
        Regions that are damaged and hold no nuclei for that reason, in pixels of level 0.
    failed_regions : sequence of [x, y, width, height]
        Regions on which the model failed, in pixels of level 0.
    settings : mapping
        What distinguishes this run from one that would give other nuclei: model, options, input.
    warnings : sequence of str
        Warnings for the reader of the result.
    regions : sequence of mapping
        Numbers of each annotation, and of their classes; see
        :meth:`karyoscope.features.regions.RegionTally.rows`.
    quality : sequence of mapping
        Numbers of each kind of fault: ``kind``, ``area_mm2``, ``tissue_mm2``, ``share``,
        ``nuclei``, ``excluded``; see :meth:`karyoscope.pipeline.measures.quality.FaultTally.rows`.
    faults : (mapping of str to ndarray of bool, int), optional
        Masks of the faults by kind, and the pixels of level 0 that one pixel of them spans.
    spatial : mapping
        Scores of :meth:`karyoscope.pipeline.measures.spatial.SpatialScores.scores`.
    files : mapping of str to mapping
        ``bytes`` and ``sha256`` of every file of the results but the summary, by name.

    Examples
    --------
    >>> RunReport.from_summary({"analysed_mm2": 2.5, "nuclei": 7}).analysed_mm2
    2.5
    """

    analysed_mm2: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    unread_regions: Sequence[list[int]] = ()
    failed_regions: Sequence[list[int]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    tissue_mm2: float | None = None
    tissue_mask: tuple[np.ndarray | BitMask, float] | None = None
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    regions: Sequence[Mapping[str, Any]] = ()
    quality: Sequence[Mapping[str, Any]] = ()
    spatial: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Mapping[str, np.ndarray], int] | None = None

    @classmethod
    def from_summary(cls, summary: Mapping[str, Any]) -> Self:
        """Restore the report of an earlier run from its ``.summary.json``, as far as it says."""
        names = {"settings": "run"}
        found = {name: summary.get(names.get(name, name)) for name in cls.__dataclass_fields__}
        return cls(**{name: value for name, value in found.items() if value is not None})
