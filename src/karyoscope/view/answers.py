"""What the server answers: each address of the data, and the function that makes the answer.

The same addresses, as files, make the folder that :mod:`karyoscope.view.share` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.arrow_tiles import encode_tile
from karyoscope.view.columns import histogram
from karyoscope.view.corrections import correct
from karyoscope.view.density import count_bins
from karyoscope.view.regions import (
    SUFFIX,
    checked_regions,
    measure_region,
    read_regions,
    region_of,
    save_regions,
)
from karyoscope.view.workspace import Workspace

_BYTES, _ARROW, _JPEG = (
    "application/octet-stream",
    "application/vnd.apache.arrow.stream",
    "image/jpeg",
)
Segmenter = Callable[..., tuple[list[list[float]], str]]


def takes(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name the parts of an address's query that an answer takes."""

    def mark(make: Callable[..., Any]) -> Callable[..., Any]:
        make.query = names  # type: ignore[attr-defined]
        return make

    return mark


class Answers:
    """Answers to the page, from what is open.

    Parameters
    ----------
    workspace : Workspace
        Slides and results that are shown.
    edit : bool
        Whether corrections and regions may be written beside the results.
    segment : callable, optional
        ``segment(slide, x, y)``: outline and class of the nucleus at a point, by the loaded model.
    queue : sequence of dict
        Places to review, each with ``slide``, ``x``, ``y``, ``width``, ``height``.
    """

    def __init__(
        self,
        workspace: Workspace,
        edit: bool = False,
        segment: Segmenter | None = None,
        queue: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.workspace, self.edit, self._segment = workspace, edit, segment
        self._queue = list(queue)

    def readable(self) -> dict[str, Callable[..., Any]]:
        """Addresses that are read, with what makes the answer."""
        result = "results/{key}"
        return {
            "catalogue.json": self.catalogue,
            "slides/{key}/info.json": self.workspace.slide_info,
            "slides/{key}/thumbnail.jpg": self.thumbnail,
            "slides/{key}/crop.jpg": self.crop,
            "slides/{key}/tiles/{level:int}/{column:int}_{row:int}.jpg": self.tile,
            f"{result}/info.json": self.workspace.result_info,
            f"{result}/nuclei/{{column:int}}_{{row:int}}.arrow": self.nuclei,
            f"{result}/values/{{place:int}}/{{column:int}}_{{row:int}}.bin": self.values,
            f"{result}/density/{{level:int}}/{{column:int}}_{{row:int}}.bin": self.density,
            f"{result}/histograms/{{place:int}}.json": self.histogram,
            f"{result}/find/{{nucleus:int}}.json": self.find,
            f"{result}/edits.json": self.edits,
            f"{result}/regions.geojson": self.regions,
            f"{result}/against/{{other}}/summary.json": self.agreement,
            f"{result}/against/{{other}}/{{column:int}}_{{row:int}}.bin": self.agreement_codes,
        }

    def writable(self) -> dict[tuple[str, str], Callable[..., Any]]:
        """Addresses that something is sent to; those that write answer only where that is on."""
        return {
            ("POST", "results/{key}/measure"): self.measure,
            ("POST", "results/{key}/against/{other}/measure"): self.measure_agreement,
            ("POST", "results/{key}/edits"): self.correct,
            ("PUT", "results/{key}/regions"): self.save_regions,
            ("POST", "results/{key}/segment"): self.segment,
            ("POST", "results/{key}/collect"): self.collect,
        }

    def catalogue(self) -> Any:
        """Slides and results, and what may be done here."""
        may = {"edit": self.edit, "segment": self.edit and self._segment is not None}
        return self.workspace.catalogue.to_dict() | {"may": may, "queue": self._queue}

    def tile(self, key: str, level: int, column: int, row: int) -> Any:
        """A tile of a slide."""
        return self.workspace.images(key).tile(level, column, row), _JPEG

    @takes("edge")
    def thumbnail(self, key: str, edge: str = "320") -> Any:
        """A slide at low resolution."""
        return self.workspace.images(key).thumbnail(int(_number(edge))), _JPEG

    @takes("x", "y", "edge")
    def crop(self, key: str, x: str = "0", y: str = "0", edge: str = "128") -> Any:
        """A square around a point."""
        images = self.workspace.images(key)
        return images.crop(_number(x), _number(y), int(_number(edge))), _JPEG

    def nuclei(self, key: str, column: int, row: int) -> Any:
        """Nuclei of a tile, as the model left them."""
        return encode_tile(self.workspace.nuclei(key).table, column, row), _ARROW

    def values(self, key: str, place: int, column: int, row: int) -> Any:
        """One column of the nuclei of a tile: float32, in their order."""
        table = self.workspace.nuclei(key).table
        values = table.values(_column(table.names, place))[table.rows_of(column, row)]
        return values.astype("<f4").tobytes(), _BYTES

    @takes("filter")
    def density(self, key: str, level: int, column: int, row: int, filter: str = "") -> Any:
        """Counts by class in the bins of a tile: uint32, class by class."""
        nuclei = self.workspace.nuclei(key)
        if not 0 <= level <= 32:
            raise KaryoscopeError(f"there is no level {level} of densities")
        shown = self.workspace.shown(key, filter)
        return count_bins(nuclei, level, column, row, shown).astype("<u4").tobytes(), _BYTES

    def histogram(self, key: str, place: int) -> Any:
        """Histogram of a column."""
        nuclei = self.workspace.nuclei(key)
        return histogram(nuclei, _column(nuclei.table.names, place))

    def find(self, key: str, nucleus: int) -> Any:
        """Where a nucleus is, and all that was measured on it."""
        nuclei = self.workspace.nuclei(key)
        if nucleus in nuclei.added:
            x, y = nuclei.added[nucleus].centroid
            return {"id": nucleus, "x": x, "y": y, "class": nuclei.class_of(nucleus), "values": {}}
        table = nuclei.table
        row = table.row_of(nucleus)
        return {
            "id": nucleus,
            "x": float(table.x[row]),
            "y": float(table.y[row]),
            "class": nuclei.class_of(nucleus),
            "values": table.measured(row),
        }

    def edits(self, key: str) -> Any:
        """Corrections so far."""
        nuclei = self.workspace.nuclei(key)
        nuclei.refresh()
        entries = nuclei.journal.read() if nuclei.journal else []
        return nuclei.changes() | {
            "counts": nuclei.counts(),
            "count": len(entries),
            "last": entries[-1].kind if entries else "",
        }

    def regions(self, key: str) -> Any:
        """Regions that were saved."""
        entry = self.workspace.result_entry(key)
        return read_regions(entry.folder / (entry.stem + SUFFIX)) if entry.folder else _NO_REGIONS

    def measure(self, key: str, sent: dict[str, Any]) -> Any:
        """What lies in a region."""
        region = region_of(sent.get("geometry"))
        tissue = self.workspace.tissue(self.workspace.result_entry(key).slide)
        shown = self.workspace.shown(key, str(sent.get("filter") or ""))
        return measure_region(self.workspace.nuclei(key), region, tissue, shown)

    def agreement(self, key: str, other: str) -> Any:
        """How two results agree, and where they do not."""
        return self.workspace.agreement(key, other).summary()

    def measure_agreement(self, key: str, other: str, sent: dict[str, Any]) -> Any:
        """How two results agree in a region."""
        region = region_of(sent.get("geometry"))
        return self.workspace.agreement(key, other).summary(region, worst=0)

    def agreement_codes(self, key: str, other: str, column: int, row: int) -> Any:
        """Codes of the nuclei of a tile, in their order: of the first result, then the second."""
        found = self.workspace.agreement(key, other)
        first = found.first_codes[found.first.rows_of(column, row)]
        second = found.second_codes[found.second.rows_of(column, row)]
        return np.concatenate([first, second]).tobytes(), _BYTES

    def correct(self, key: str, sent: dict[str, Any]) -> Any:
        """Make a correction."""
        self._may_write()
        entry = correct(self.workspace.nuclei(key), sent)
        return self.edits(key) | {"entry": entry.to_dict()}

    def save_regions(self, key: str, sent: dict[str, Any]) -> Any:
        """Save regions beside the results."""
        self._may_write()
        entry = self.workspace.result_entry(key)
        if entry.folder is None:
            return checked_regions(sent)
        return save_regions(entry.folder / (entry.stem + SUFFIX), sent)

    def segment(self, key: str, sent: dict[str, Any]) -> Any:
        """Outline the nucleus at a point with the model."""
        self._may_write()
        if self._segment is None:
            raise KaryoscopeError("no model was given; start with --model to segment by a click")
        slide = self.workspace.images(self.workspace.result_entry(key).slide).slide
        outline, name = self._segment(slide, _number(sent.get("x")), _number(sent.get("y")))
        nuclei = self.workspace.nuclei(key)
        there = nuclei.covered_by(outline)
        if there is not None:
            raise KaryoscopeError(f"the model finds nucleus {there} here, which is there already")
        return {"outline": outline, "class": nuclei.class_named(name)}

    def collect(self, key: str, sent: dict[str, Any]) -> Any:
        """Write the reviewed regions as annotated images."""
        from karyoscope.view.collect import write_collection  # late, as it takes 30 MB

        self._may_write()
        entry = self.workspace.result_entry(key)
        if entry.folder is None:
            raise KaryoscopeError("nuclei in memory have no folder to write to")
        slide = self.workspace.images(entry.slide).slide
        regions = read_regions(entry.folder / (entry.stem + SUFFIX))
        nuclei = self.workspace.nuclei(key)
        return write_collection(entry.folder, entry.stem, slide, nuclei, regions)

    def _may_write(self) -> None:
        if not self.edit:
            raise KaryoscopeError("nothing may be written; start `karyoscope view` with --edit")


_NO_REGIONS: dict[str, Any] = {"type": "FeatureCollection", "features": []}


def _column(names: Sequence[str], place: int) -> str:
    if not 0 <= place < len(names):
        raise KaryoscopeError(f"there is no column {place}")
    return names[place]


def _number(given: Any) -> float:
    try:
        number = float(given)
    except (TypeError, ValueError) as error:
        raise KaryoscopeError(f"{given!r} is no number") from error
    if not abs(number) < 1e9:
        raise KaryoscopeError(f"{given!r} is no position")
    return number
