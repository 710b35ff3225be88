"""The slides and results that are open, each opened when it is first asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.text import for_terminal
from karyoscope.slides import Slide, Tissue
from karyoscope.view import journal
from karyoscope.view.agreement import Agreement, compare
from karyoscope.view.catalogue import Catalogue, ResultEntry, SlideEntry
from karyoscope.view.columns import parse_filter, shown_columns
from karyoscope.view.density import BINS, levels_of
from karyoscope.view.edited import EditedTable
from karyoscope.view.images import TILE, TileImages
from karyoscope.view.table import NucleiTable

#: How many slides, tables and comparisons stay open.
_SLIDES, _TABLES, _AGREEMENTS, _FILTERS = 4, 4, 2, 4
Opened = TypeVar("Opened")


class Kept(OrderedDict[Any, Any]):
    """What was made last; the oldest is dropped when there are more than a few."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._lock = threading.RLock()

    def obtain(self, key: Any, make: Callable[[], Opened]) -> Opened:
        """Return what is kept under a key, or make it, once however many threads ask."""
        with self._lock:
            if key in self:
                self.move_to_end(key)
            else:
                self[key] = make()
                while len(self) > self._most:
                    self.popitem(last=False)
            return self[key]


class Workspace:
    """Everything that the page can ask for, by key.

    Parameters
    ----------
    catalogue : Catalogue
        What may be opened; nothing else is.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._slides, self._tables = Kept(_SLIDES), Kept(_TABLES)
        self._tissue, self._agreements = Kept(_SLIDES), Kept(_AGREEMENTS)
        self._filters = Kept(_FILTERS)

    def slide_entry(self, key: str) -> SlideEntry:
        """The slide of this key."""
        return _entry(self.catalogue.slides, key, "slide")

    def result_entry(self, key: str) -> ResultEntry:
        """The result of this key."""
        return _entry(self.catalogue.results, key, "result")

    def images(self, key: str) -> TileImages:
        """Tiles of a slide."""
        entry = self.slide_entry(key)
        return self._slides.obtain(key, lambda: TileImages(entry.open()))

    def nuclei(self, key: str) -> EditedTable:
        """Nuclei of a result, with the corrections made so far."""
        entry = self.result_entry(key)
        return self._tables.obtain(key, partial(_open_table, entry))

    def tissue(self, key: str) -> Tissue | None:
        """Tissue of a slide without margin; None where it has no pixels."""

        def find() -> Tissue | None:
            try:
                slide: Slide = self.images(key).slide
                return Tissue.of(slide)
            except KaryoscopeError:
                return None

        found: Tissue | None = self._tissue.obtain(key, find)
        return found

    def agreement(self, first: str, second: str) -> Agreement:
        """Comparison of two results."""
        tables = self.nuclei(first).table, self.nuclei(second).table
        return self._agreements.obtain((first, second), lambda: compare(*tables))

    def shown(self, key: str, filters: str) -> np.ndarray | None:
        """Nuclei of a result that pass filters; None for all."""
        nuclei = self.nuclei(key)
        if not filters:
            return None
        found: np.ndarray | None = self._filters.obtain(
            (key, filters), lambda: parse_filter(nuclei, filters)
        )
        return found

    def slide_info(self, key: str) -> dict[str, Any]:
        """Size and scale of a slide; why there are no pixels, where there are none."""
        entry = self.slide_entry(key)
        info: dict[str, Any] = {"key": key, "name": for_terminal(entry.name), "tile": TILE}
        try:
            images = self.images(key)
        except KaryoscopeError as error:
            return info | self._extent_of_results(key) | {"levels": 0, "problem": str(error)}
        width, height = images.slide.size
        mpp = list(images.slide.mpp_xy)
        extent = {"width": width, "height": height, "mpp": mpp}
        return info | extent | {"levels": images.levels, "problem": ""}

    def _extent_of_results(self, key: str) -> dict[str, Any]:
        for result in self.catalogue.results.values():
            if result.slide == key and not result.problem:
                context = self.nuclei(result.key).table.context
                width, height = context.size
                mpp = [context.mpp_x, context.mpp_y]
                return {"width": width, "height": height, "mpp": mpp}
        return {"width": 0, "height": 0, "mpp": [1.0, 1.0]}

    def result_info(self, key: str) -> dict[str, Any]:
        """Classes, columns and tiles of a result, and what its run warned of."""
        entry = self.result_entry(key)
        info: dict[str, Any] = {"key": key, "slide": entry.slide, "name": for_terminal(entry.name)}
        nuclei = self.nuclei(key)
        table = nuclei.table
        context = table.context
        classes = [context.taxonomy.by_id(0), *context.taxonomy.classes]
        return info | {
            "classes": [
                {"id": c.id, "name": for_terminal(c.name), "color": list(c.color)} for c in classes
            ],
            "counts": nuclei.counts(),
            "columns": [
                {"name": name, "place": place}
                for place, name in enumerate(table.names)
                if name in shown_columns(table.names)
            ],
            "nuclei": len(table),
            "last_id": int(table.id.max(initial=0)),
            "tile": table.tile,
            "across": table.across,
            "down": table.down,
            "bins": BINS,
            "levels": levels_of(table.across, table.down),
            "model": " ".join(filter(None, (context.model, context.model_version))),
            "warnings": [for_terminal(str(w)) for w in entry.summary.get("warnings", [])],
            "damaged_edits": nuclei.journal.damaged if nuclei.journal else 0,
            "can_edit": nuclei.journal is not None,
        }

    def close(self) -> None:
        """Close what is open."""
        for images in self._slides.values():
            images.close()
        self._slides.clear()


def _open_table(entry: ResultEntry) -> EditedTable:
    if entry.source is None:
        raise KaryoscopeError(entry.problem)
    kept = None
    if entry.folder is not None:
        kept = journal.Journal(entry.folder / (entry.stem + journal.SUFFIX))
    table = NucleiTable(entry.source() if callable(entry.source) else entry.source)
    # Not on exit: a table that is being read must not keep the program alive.
    threading.Thread(target=_preload, args=(table,), daemon=True).start()
    return EditedTable(table, kept)


def _preload(table: NucleiTable) -> None:
    with suppress(KaryoscopeError):  # reported when the outlines are requested
        table.preload()


def _entry(entries: dict[str, Any], key: str, kind: str) -> Any:
    if key not in entries:
        raise KaryoscopeError(f"there is no {kind} {key!r}")
    return entries[key]
