"""A table of nuclei with corrections laid over it; the table itself is never changed."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.journal import Entry, Journal
from karyoscope.view.table import NucleiTable


@dataclass(frozen=True)
class Added:
    """A nucleus that a person drew, or that came of a split or a merge."""

    id: int
    class_id: int
    outline: list[list[float]]

    @property
    def centroid(self) -> tuple[float, float]:
        """Centroid of the outline in pixels of level 0."""
        point = shapely.Polygon(self.outline).centroid
        return point.x, point.y


@dataclass
class EditedTable:
    """The nuclei of a result as they are after all corrections.

    Attributes
    ----------
    table : NucleiTable
        Nuclei as the model left them.
    journal : Journal or None
        Where corrections are kept; None where the result lies in memory.
    alive : ndarray of bool, shape (n,)
        False for a row that was deleted, split or merged.
    class_id : ndarray of uint8, shape (n,)
        Classes after correction.
    added : dict of int to Added
        Nuclei that were added, by id.
    """

    table: NucleiTable
    journal: Journal | None = None
    alive: np.ndarray = field(init=False)
    class_id: np.ndarray = field(init=False)
    added: dict[int, Added] = field(init=False)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self._reset()
        self.refresh()

    def _reset(self) -> None:
        self.alive = np.ones(len(self.table), bool)
        self.class_id = self.table.class_id.copy()
        self.added = {}
        self._applied = 0

    def refresh(self) -> None:
        """Take in what another process or tab has written to the journal."""
        if self.journal is None:
            return
        with self.lock:
            entries = self.journal.read()
            if len(entries) < self._applied or any(e.undo for e in entries[self._applied :]):
                self._reset()
            undone = {e.undo for e in entries if e.undo}
            for entry in entries[self._applied :]:
                if entry.number not in undone and not entry.undo:
                    self._apply(entry)
            self._applied = len(entries)

    def _apply(self, entry: Entry) -> None:
        for nucleus in entry.remove:
            if self.added.pop(nucleus, None) is None:
                self.alive[self.table.row_of(nucleus)] = False
        for nucleus, class_id in entry.classes.items():
            if nucleus in self.added:
                found = self.added[nucleus]
                self.added[nucleus] = Added(found.id, class_id, found.outline)
            else:
                self.class_id[self.table.row_of(nucleus)] = class_id
        for one in entry.add:
            self.added[one["id"]] = Added(one["id"], one["class"], one["outline"])

    def __len__(self) -> int:
        return int(self.alive.sum()) + len(self.added)

    def exists(self, nucleus: int) -> bool:
        """Whether there is a nucleus of this id now."""
        if nucleus in self.added:
            return True
        try:
            return bool(self.alive[self.table.row_of(nucleus)])
        except KaryoscopeError:
            return False

    def outline_of(self, nucleus: int) -> np.ndarray:
        """Outline of one nucleus: (v, 2) float, pixels of level 0."""
        if nucleus in self.added:
            return np.array(self.added[nucleus].outline)
        return self.table.outlines(np.array([self.table.row_of(nucleus)]))[0]

    def class_of(self, nucleus: int) -> int:
        """Class id of one nucleus now."""
        if nucleus in self.added:
            return self.added[nucleus].class_id
        return int(self.class_id[self.table.row_of(nucleus)])

    def added_arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x, y (float32) and class (uint8) of the nuclei that were added."""
        added = list(self.added.values())
        places = np.array([a.centroid for a in added], np.float32).reshape(-1, 2)
        return places[:, 0], places[:, 1], np.array([a.class_id for a in added], np.uint8)

    def counts(self) -> list[int]:
        """Nuclei now of each class: the unclassified first, then in the taxonomy's order."""
        every = np.concatenate([self.class_id[self.alive], self.added_arrays()[2]])
        counts = np.bincount(every, minlength=256)
        return [int(counts[class_id]) for class_id in (0, *self.table.context.taxonomy.ids)]

    def next_id(self) -> int:
        """An id that no nucleus has or had."""
        entries = self.journal.read() if self.journal else []
        used = [one["id"] for entry in entries for one in entry.add]
        return max([int(self.table.id.max(initial=0)), *used]) + 1

    def class_named(self, name: str) -> int | None:
        """Class id of this name in the result's taxonomy; None where it has no such class."""
        taxonomy = self.table.context.taxonomy
        return dict(zip(taxonomy.names, taxonomy.ids, strict=True)).get(name)

    def covered_by(self, outline: list[list[float]]) -> int | None:
        """The nucleus that an outline is the same as: more than half of both is shared."""
        ring = shapely.make_valid(shapely.Polygon(outline))
        left, top, right, bottom = ring.bounds
        rows = self.table.rows_in(left, top, right, bottom)
        ids = self.table.id[rows[self.alive[rows]]].tolist()
        for nucleus in [*ids, *self.added]:
            other = shapely.make_valid(shapely.Polygon(self.outline_of(nucleus)))
            shared = ring.intersection(other).area
            if 2 * shared > max(ring.area, other.area):
                return nucleus
        return None

    def changes(self) -> dict[str, Any]:
        """All corrections as plain data: what the page lays over the tiles."""
        with self.lock:
            removed = self.table.id[~self.alive]
            changed = np.flatnonzero(self.alive & (self.class_id != self.table.class_id))
            return {
                "removed": removed.tolist(),
                "classes": [
                    [int(self.table.id[row]), int(self.class_id[row])] for row in changed.tolist()
                ],
                "added": [
                    {"id": a.id, "class": a.class_id, "outline": a.outline}
                    for a in self.added.values()
                ],
            }
