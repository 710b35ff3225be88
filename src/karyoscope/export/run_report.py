"""What is known of a run only at its end, handed to the writers as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class RunReport:
    """What a run reports besides its nuclei.

    Attributes
    ----------
    analysed_mm2 : float, optional
        Area that densities refer to, in mm². None stands for the area of the whole image.
    seconds : mapping of str to float
        Time of each stage, in seconds.
    unread_regions : sequence of [x, y, width, height]
        Regions that are damaged and hold no nuclei for that reason, in pixels of level 0.
    failed_regions : sequence of [x, y, width, height]
        Regions on which the model failed, in pixels of level 0.
    settings : mapping
        What distinguishes this run from one that would give other nuclei: model, options, input.
    warnings : sequence of str
        What the reader of the result should know.

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

    @classmethod
    def from_summary(cls, summary: Mapping[str, Any]) -> Self:
        """Restore the report of an earlier run from its ``.summary.json``, as far as it says."""
        names = {"settings": "run"}
        found = {name: summary.get(names.get(name, name)) for name in cls.__dataclass_fields__}
        return cls(**{name: value for name, value in found.items() if value is not None})
