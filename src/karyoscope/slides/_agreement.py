"""Whether all levels of a pyramid show one picture.

Each level is compared with the nearest finer one that is not itself doubted, at a few places with
texture. What is reduced in another way, compressed anew or off by a pixel agrees; what shows
another slide, is mirrored, shifted or blank does not. Places where both are blank say nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.remarks import warn
from karyoscope.slides.grid import Level

#: Cells along each axis of a slide, of which those with most texture are compared.
_CELLS = 8
#: Pixels, along each axis, by which the texture of a cell is judged: of the coarsest level and of
#: the finest.
_COARSE_PX, _FINE_PX = 128, 64
#: Edge of what is compared, and how far a shift is looked for, in pixels of the coarser level.
_EDGE, _REACH, _LEAST_EDGE = 96, 16, 16
#: Most pixels, along each axis, that are read of the finer level.
_MOST_PX = 1024
#: Standard deviations of the blurs between which texture is compared, in the same pixels.
_FINE, _BROAD = 1.2, 6.0
#: Shift that is tolerated, in pixels of the coarser level.
_TOLERATED = 2
#: Standard deviation, of 255, below which a place is blank.
_BLANK = 3.0
#: Least correlation of what is one picture, and of what is one picture if it is shifted.
_ALIKE, _SAME = 0.6, 0.7
#: By how much the correlation at a shift exceeds that without where a picture is shifted.
_GAIN = 0.1
#: Share of the places that differ above which a level is doubted.
_DIFFERENT = 1 / 3

ReadLevel = Callable[[int, int, int, int, int], np.ndarray]
Place = tuple[float, float]
"""Position as fractions of the width and of the height."""


class Distrust:
    """Levels of a slide that are not read, found when they are first asked for.

    Parameters
    ----------
    known : frozenset of int, optional
        Where they were found before.
    """

    def __init__(self, known: frozenset[int] | None = None) -> None:
        self.known = known
        self._lock = threading.Lock()

    def of(self, label: str, levels: Sequence[Level], read: ReadLevel) -> frozenset[int]:
        """Return the levels; there is a warning when some are found.

        Parameters
        ----------
        label : str
            Name of the slide, for the warning.
        levels, read
            See :func:`doubted_levels`.
        """
        with self._lock:
            if self.known is None:
                doubts = doubted_levels(levels, read)
                self.known = frozenset(doubt.level for doubt in doubts)
                if doubts:
                    warn(f"{label}: {doubt_line(levels, doubts)}", stacklevel=2)
            return self.known


@dataclass(frozen=True)
class Doubt:
    """What is wrong with a level.

    Attributes
    ----------
    level : int
    kind : str
        ``"shifted"``, ``"blank"`` or ``"other"``.
    places, compared : int
        Places that differ, and all that were compared.
    """

    level: int
    kind: str
    places: int
    compared: int


def doubted_levels(levels: Sequence[Level], read: ReadLevel) -> list[Doubt]:
    """Find the levels of a pyramid that show another picture than level 0.

    Parameters
    ----------
    levels : sequence of Level
        Level 0 first.
    read : callable
        Level, x, y, width and height of a window -> (height, width, 3) uint8.

    Returns
    -------
    list of Doubt
        Empty if all agree, or if there is nothing to compare.
    """
    lower = [n for n in range(1, len(levels)) if levels[n].downsample_x > 1]
    if not lower:
        return []
    places = _places(levels, read, lower[-1])
    doubts: list[Doubt] = []
    finer = 0
    for coarser in lower:
        found = [
            kind for place in places if (kind := _compare(levels, read, finer, coarser, place))
        ]
        wrong = [kind for kind in found if kind != "alike"]
        if len(wrong) > _DIFFERENT * len(found):
            kind = max(sorted(set(wrong)), key=wrong.count)
            doubts.append(Doubt(coarser, kind, len(wrong), len(found)))
        else:
            finer = coarser
    return doubts


def doubt_line(levels: Sequence[Level], doubts: Sequence[Doubt]) -> str:
    """Put what is wrong with levels into one line."""
    words = {"shifted": "is shifted against", "blank": "is blank where there is tissue in"}
    parts = []
    for doubt in doubts:
        level = levels[doubt.level]
        says = words.get(doubt.kind, "shows another picture than")
        where = f"{doubt.places} of {doubt.compared} places compared"
        parts.append(
            f"level {doubt.level} ({level.width} x {level.height}) {says} level 0 at {where}"
        )
    many = len(parts) > 1
    return (
        f"{'; '.join(parts)}; {'these levels are' if many else 'this level is'} not read, and"
        " positions are those of level 0: check the file, or export the slide again"
    )


def _places(levels: Sequence[Level], read: ReadLevel, coarsest: int) -> list[Place]:
    """Cells with most texture in the coarsest level, in level 0, and in level 0 alone."""
    centres = (np.arange(_CELLS) + 0.5) / _CELLS
    cells = [(float(x), float(y)) for y in centres for x in centres]
    coarse = np.array([_texture(levels, read, coarsest, _COARSE_PX, cell) for cell in cells])
    fine = np.array([_texture(levels, read, 0, _FINE_PX, cell) for cell in cells])
    chosen: dict[int, None] = {}
    for texture, count in ((coarse, 4), (fine, 2), (fine - coarse, 2)):
        order = [int(n) for n in np.argsort(-texture, kind="stable") if int(n) not in chosen]
        chosen |= dict.fromkeys(order[:count])
    return [cells[n] for n in chosen]


def _texture(
    levels: Sequence[Level], read: ReadLevel, number: int, edge: int, place: Place
) -> float:
    level = levels[number]
    x, width = _window(place[0], edge, level.width)
    y, height = _window(place[1], edge, level.height)
    try:
        return float(_grey(read(number, x, y, width, height)).std())
    except (KaryoscopeError, OSError):
        return 0.0


def _window(centre: float, edge: int, length: int) -> tuple[int, int]:
    """Start and length of an interval around a place, within a level."""
    edge = min(edge, length)
    return min(max(0, round(centre * length - edge / 2)), length - edge), edge


def _compare(
    levels: Sequence[Level], read: ReadLevel, finer: int, coarser: int, place: Place
) -> str:
    """Compare two levels at a place: ``alike``, a kind of difference, or nothing to say."""
    fine, coarse = levels[finer], levels[coarser]
    ratio = (coarse.downsample_x / fine.downsample_x, coarse.downsample_y / fine.downsample_y)
    reach = min(_REACH, min(coarse.width, coarse.height) // 8)
    edge = min(_EDGE, int(_MOST_PX / max(ratio)), min(coarse.width, coarse.height) - 2 * reach)
    if edge < _LEAST_EDGE:
        return ""
    x, wide = _window(place[0], edge + 2 * reach, coarse.width)
    y, high = _window(place[1], edge + 2 * reach, coarse.height)
    left, right = (min(fine.width, round((x + reach + n) * ratio[0])) for n in (0, edge))
    top, bottom = (min(fine.height, round((y + reach + n) * ratio[1])) for n in (0, edge))
    try:
        shown = _grey(read(coarser, x, y, wide, high))
        true = _grey(read(finer, left, top, right - left, bottom - top))
    except (KaryoscopeError, OSError):
        return ""  # reported where it is read
    true = _texture_of(cv2.resize(true, (edge, edge), interpolation=cv2.INTER_AREA))
    shown = _texture_of(shown)
    inner = shown[reach : reach + edge, reach : reach + edge]
    if max(true.std(), inner.std()) < _BLANK:
        return ""
    if min(true.std(), inner.std()) < _BLANK / 4:
        return "blank" if inner.std() < true.std() else "other"
    correlation = cv2.matchTemplate(shown, true, cv2.TM_CCOEFF_NORMED)
    near = slice(max(0, reach - _TOLERATED), reach + _TOLERATED + 1)
    here, best = float(correlation[near, near].max()), float(correlation.max())
    if best >= _SAME and best - here > _GAIN:
        return "shifted"
    return "alike" if here >= _ALIKE else "other"


def _grey(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)


def _texture_of(grey: np.ndarray) -> np.ndarray:
    """Differences over a few pixels.

    Finer ones are blurred, so that levels that leave pixels out agree with those that average
    them; coarser ones taken away, since tissue of one shape has these in common.
    """
    return np.asarray(
        cv2.GaussianBlur(grey, (0, 0), _FINE) - cv2.GaussianBlur(grey, (0, 0), _BROAD)
    )
