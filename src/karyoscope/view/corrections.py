"""What a person may do to nuclei: new class, delete, add, split, merge, undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import shapely
import shapely.ops

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.edited import EditedTable
from karyoscope.view.journal import Entry

_MOST_NUCLEI, _MOST_VERTICES = 10_000, 2_000
#: Pieces of a split that are smaller, in pixels of level 0, are dust along the line.
_SMALLEST_PIECE = 4.0


def correct(nuclei: EditedTable, request: Mapping[str, Any]) -> Entry:
    """Make one correction and write it to the journal.

    Parameters
    ----------
    nuclei : EditedTable
        A table with a journal.
    request : mapping
        ``kind`` and, by kind: ``class``: ``ids`` and ``class``; ``delete``: ``ids``; ``add``:
        ``outline`` and ``class``; ``split``: ``ids`` (one) and ``line``; ``merge``: ``ids``;
        ``undo``: nothing, the last correction is taken back. Outlines and lines are lists of
        (x, y) in pixels of level 0.

    Returns
    -------
    Entry
        The correction as it was written.

    Raises
    ------
    KaryoscopeError
        If the request makes no sense, a nucleus is no longer there, or it cannot be written.
    """
    if nuclei.journal is None:
        raise KaryoscopeError("nuclei in memory cannot be corrected; open the results folder")
    kind = request.get("kind")
    make = _KINDS.get(str(kind))
    if make is None:
        raise KaryoscopeError(f"no correction {kind!r}; there are {', '.join(_KINDS)}")

    def under_lock(entries: Sequence[Entry]) -> Entry:
        nuclei.refresh()
        return make(nuclei, request, entries)

    with nuclei.lock:
        entry = nuclei.journal.append(under_lock)
        nuclei.refresh()
    return entry


def _class(nuclei: EditedTable, request: Mapping[str, Any], _: Sequence[Entry]) -> Entry:
    class_id = _class_id(nuclei, request)
    return Entry(0, "class", classes=dict.fromkeys(_ids(nuclei, request), class_id))


def _delete(nuclei: EditedTable, request: Mapping[str, Any], _: Sequence[Entry]) -> Entry:
    return Entry(0, "delete", remove=_ids(nuclei, request))


def _add(nuclei: EditedTable, request: Mapping[str, Any], _: Sequence[Entry]) -> Entry:
    polygon = _polygon(_points(request.get("outline"), 3))
    return Entry(0, "add", add=[_new(nuclei, 0, polygon, _class_id(nuclei, request))])


def _split(nuclei: EditedTable, request: Mapping[str, Any], _: Sequence[Entry]) -> Entry:
    (nucleus,) = _ids(nuclei, request, exactly=1)
    line = shapely.LineString(_points(request.get("line"), 2))
    whole = _polygon(nuclei.outline_of(nucleus))
    # The line is made longer at both ends, so that a stroke that stops at the rim still cuts.
    parts = shapely.ops.split(whole, _longer(line, whole)).geoms
    pieces = [part for part in parts if part.area >= _SMALLEST_PIECE]
    if len(pieces) < 2:
        raise KaryoscopeError("the line does not divide the nucleus; draw it from edge to edge")
    class_id = nuclei.class_of(nucleus)
    made = [_new(nuclei, k, piece, class_id) for k, piece in enumerate(pieces)]
    return Entry(0, "split", remove=[nucleus], add=made)


def _merge(nuclei: EditedTable, request: Mapping[str, Any], _: Sequence[Entry]) -> Entry:
    ids = _ids(nuclei, request)
    if len(ids) < 2:
        raise KaryoscopeError("select two or more nuclei to merge")
    polygons = [_polygon(nuclei.outline_of(nucleus)) for nucleus in ids]
    # Neighbours are a pixel apart; closing joins what nearly touches.
    merged = shapely.union_all(polygons).buffer(1.5).buffer(-1.5)
    if merged.geom_type != "Polygon":
        raise KaryoscopeError("these nuclei do not touch; merge neighbours")
    largest = ids[int(np.argmax([polygon.area for polygon in polygons]))]
    made = _new(nuclei, 0, shapely.Polygon(merged.exterior), nuclei.class_of(largest))
    return Entry(0, "merge", remove=ids, add=[made])


def _undo(nuclei: EditedTable, request: Mapping[str, Any], entries: Sequence[Entry]) -> Entry:
    undone = {entry.undo for entry in entries}
    left = [e for e in entries if not e.undo and e.number not in undone]
    if not left:
        raise KaryoscopeError("there is nothing to undo")
    return Entry(0, "undo", undo=left[-1].number)


Make = Callable[[EditedTable, Mapping[str, Any], Sequence[Entry]], Entry]
_KINDS: dict[str, Make] = {
    "class": _class,
    "delete": _delete,
    "add": _add,
    "split": _split,
    "merge": _merge,
    "undo": _undo,
}


def _ids(nuclei: EditedTable, request: Mapping[str, Any], exactly: int = 0) -> list[int]:
    given = request.get("ids")
    if not isinstance(given, list) or not 0 < len(given) <= _MOST_NUCLEI:
        raise KaryoscopeError("select a nucleus first")
    if not all(isinstance(i, int) and not isinstance(i, bool) and 0 < i < 2**32 for i in given):
        raise KaryoscopeError("ids of nuclei are positive whole numbers")
    ids = list(dict.fromkeys(given))
    if exactly and len(ids) != exactly:
        raise KaryoscopeError("select one nucleus to split")
    for nucleus in ids:
        if not nuclei.exists(nucleus):
            raise KaryoscopeError(f"nucleus {nucleus} is no longer there; another tab changed it")
    return ids


def _class_id(nuclei: EditedTable, request: Mapping[str, Any]) -> int:
    class_id = request.get("class")
    if class_id not in (0, *nuclei.table.context.taxonomy.ids) or isinstance(class_id, bool):
        raise KaryoscopeError(f"there is no class {class_id!r}")
    return int(class_id)


def _points(given: Any, least: int) -> list[tuple[float, float]]:
    try:
        points = [(float(x), float(y)) for x, y in given]
    except (TypeError, ValueError) as error:
        raise KaryoscopeError("a shape is a list of points x, y") from error
    if not least <= len(points) <= _MOST_VERTICES or not np.isfinite(points).all():
        raise KaryoscopeError(f"a shape has {least} to {_MOST_VERTICES} points")
    return points


def _polygon(points: Any) -> shapely.Polygon:
    polygon = shapely.make_valid(shapely.Polygon(points))
    parts = [p for p in getattr(polygon, "geoms", [polygon]) if p.geom_type == "Polygon"]
    if not parts or max(part.area for part in parts) < _SMALLEST_PIECE:
        raise KaryoscopeError("this outline has no area; draw around the nucleus")
    return max(parts, key=lambda part: part.area)


def _longer(line: shapely.LineString, whole: shapely.Polygon) -> shapely.LineString:
    points = np.array(line.coords)
    reach = max(whole.bounds[2] - whole.bounds[0], whole.bounds[3] - whole.bounds[1])
    first, last = points[0] - points[1], points[-1] - points[-2]
    ends = [
        end + step / max(float(np.hypot(*step)), 1e-9) * reach
        for end, step in ((points[0], first), (points[-1], last))
    ]
    return shapely.LineString([ends[0], *points, ends[1]])


def _new(nuclei: EditedTable, offset: int, polygon: shapely.Polygon, class_id: int) -> Any:
    width, height = nuclei.table.context.size
    inside = polygon.intersection(shapely.box(0, 0, width, height))
    if inside.geom_type != "Polygon" or inside.area < _SMALLEST_PIECE:
        raise KaryoscopeError("this outline lies outside the slide")
    ring = np.round(np.array(inside.exterior.coords)[:-1], 2)
    return {"id": nuclei.next_id() + offset, "class": class_id, "outline": ring.tolist()}
