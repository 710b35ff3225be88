"""Regions of a slide without nuclei because something failed, and how they are reported."""

from __future__ import annotations

from collections.abc import Mapping

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline.tiling.blocks import Box
from karyoscope.pipeline.tiling.report import BlockReport

_SHOWN = 3


class Failures:
    """Regions that could not be read or analysed, collected from the reports of blocks.

    Attributes
    ----------
    unread, failed : dict of Box to str
        Places, in pixels of level 0, that could not be read, and blocks on which the engine
        failed; and why.
    all_failed : bool
        Whether nothing at all could be read or analysed; known at the end.
    """

    def __init__(self) -> None:
        self.unread: dict[Box, str] = {}
        self.failed: dict[Box, str] = {}
        self.all_failed = self._read_any = self._run_any = False

    def add(self, report: BlockReport) -> None:
        """Add the report of a block."""
        for box, why in report.unread.items():
            self.unread.setdefault(box, why)
        if report.failed is not None:
            self.failed[report.failed[0]] = report.failed[1]
        else:
            self._run_any = True
        self._read_any |= report.read_any

    def __bool__(self) -> bool:
        return bool(self.unread or self.failed)

    def raise_if_all_failed(self) -> None:
        """Raise where nothing at all could be read or analysed.

        Raises
        ------
        KaryoscopeError
            All failures as one, with the first reason.
        """
        for places, some in ((self.unread, self._read_any), (self.failed, self._run_any)):
            if places and not some:
                self.all_failed = True
                raise KaryoscopeError(next(iter(places.values())))

    def warnings(self) -> list[str]:
        """Return one message for each kind of failure."""
        kinds = (
            ("that cannot be read", self.unread),
            ("where the model failed twice", self.failed),
        )
        return [_line(what, places) for what, places in kinds if places]


def regions(places: Mapping[Box, str]) -> list[list[int]]:
    """Places as x, y, width and height, from top to bottom."""
    return [[box.left, box.top, box.width, box.height] for box in _in_order(places)]


def _line(what: str, places: Mapping[Box, str]) -> str:
    boxes = _in_order(places)
    shown = " ".join(f"{b.left},{b.top},{b.width},{b.height}" for b in boxes[:_SHOWN])
    more = " ..." if len(boxes) > _SHOWN else ""
    regions = "1 region" if len(boxes) == 1 else f"{len(boxes)} regions"
    return f"no nuclei in {regions} {what} (x,y,w,h {shown}{more}): {places[boxes[0]]}"


def _in_order(places: Mapping[Box, str]) -> list[Box]:
    """Places from top to bottom, and from left to right."""
    return sorted(places, key=lambda box: (box.top, box.left))
