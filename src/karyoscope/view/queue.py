"""Places to review, one after the other, from a table such as a ranking of tiles."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.view.catalogue import Catalogue

_MOST = 10_000


def read_queue(path: str | Path, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Read a CSV file of places.

    Parameters
    ----------
    path : path
        Columns ``x``, ``y``, ``width``, ``height`` (pixels of level 0); ``slide`` (name of the
        file, with or without suffix) where there are several; ``score`` and others are shown.
    catalogue : Catalogue
        Slides that the places may be of.

    Returns
    -------
    list of dict
        ``slide`` (key), ``x``, ``y``, ``width``, ``height``, ``note``; in the file's order.

    Raises
    ------
    KaryoscopeError
        If it cannot be read, or a row names no place of a slide that is open.
    """
    keys = {name: s.key for s in catalogue.slides.values() for name in (s.name, Path(s.name).stem)}
    only = next(iter(catalogue.slides)) if len(catalogue.slides) == 1 else None
    found = []
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            for line, row in enumerate(csv.DictReader(file), start=2):
                slide = keys.get(str(row.get("slide") or ""), only)
                if slide is None:
                    raise ValueError(f"line {line} names no slide that is open")
                place = {k: float(row[k] or "nan") for k in ("x", "y", "width", "height")}
                if not all(abs(v) < 1e9 for v in place.values()):
                    raise ValueError(f"line {line} holds no place")
                note = f"score {row['score']}" if row.get("score") else ""
                found.append({"slide": slide, **place, "note": note})
    except OSError as error:
        raise KaryoscopeError(f"{path} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise KaryoscopeError(
            f"{path} is no list of places (columns x, y, width, height): {error}"
        ) from error
    return found[:_MOST]
