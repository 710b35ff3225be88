"""Windows, which the network reads, and blocks, which own nuclei.

Both divide the same grid (the slide at the model's scale):

* **Windows** are what the network sees. Their lattice depends on the size of the grid alone, so
  the maps at a pixel are the same however the rest of the work is divided. All windows of a
  slide have one size, but for pixels that the last ones lack; each keeps at least ``context``
  pixels around its core where there is more image.
* **Blocks** are what post-processing sees. A block reads the maps of its own area and of a
  ``margin`` around it, and keeps the nuclei whose centroid is in its own area. The areas
  partition the grid, so exactly one block owns each nucleus.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

#: Windows start at multiples of this, and have such lengths: the coarsest stride of the encoders.
#: A network answers a little differently when its input is shifted by less.
_STEP = 32
#: Cores and what blocks read start at multiples of this, so that strided maps fit together.
_ALIGN = 8
#: Images of up to this many pixels are analysed whole; leaving glass out would not pay.
WHOLE_PX = 8_000_000
#: Longest edges of windows: of such images, where the fewest pixels are read twice, and of larger
#: ones, where smaller blocks also leave more glass out, and less memory is needed.
LONGEST, LONGEST_OF_LARGE = 1600, 1280


@dataclass(frozen=True)
class Box:
    """A half-open rectangle of grid pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    def grown(self, margin: int, limit: Box) -> Box:
        """Return the box enlarged by a margin on every side, within a limit."""
        return Box(
            max(limit.left, self.left - margin),
            max(limit.top, self.top - margin),
            min(limit.right, self.right + margin),
            min(limit.bottom, self.bottom + margin),
        )

    def shared(self, other: Box) -> Box:
        """Return the part that both boxes have; where there is none, its right is at most its left
        or its bottom at most its top.
        """
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def scaled(self, x: float, y: float) -> Box:
        """Smallest box that holds it on a grid of which a pixel here spans x by y pixels."""
        return Box(
            math.floor(self.left * x),
            math.floor(self.top * y),
            math.ceil(self.right * x),
            math.ceil(self.bottom * y),
        )

    @property
    def corner_and_size(self) -> tuple[int, int, int, int]:
        """Left, top, width and height."""
        return self.left, self.top, self.width, self.height

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.left >= self.right or self.top >= self.bottom


@dataclass(frozen=True)
class Window:
    """A window of the network: the region that is read, and the part of the output that is used."""

    row: int
    column: int
    read: Box
    core: Box


@dataclass(frozen=True)
class Block:
    """One run of post-processing: the area it owns, and the area whose maps it reads."""

    own: Box
    read: Box


@dataclass(frozen=True)
class Axis:
    """Windows along one axis.

    Attributes
    ----------
    cuts : tuple of int
        The core of window ``i`` reaches from ``cuts[i]`` to ``cuts[i + 1]``.
    starts : tuple of int
        Where windows begin.
    length : int
        Length of a window; the last may reach some pixels beyond the image.
    """

    cuts: tuple[int, ...]
    starts: tuple[int, ...]
    length: int

    @classmethod
    def over(cls, size: int, largest: int, context: int) -> Axis:
        """Divide ``size`` pixels into as few windows as it takes, evenly spaced.

        Raises
        ------
        ValueError
            If a window of ``largest`` pixels is used up by its context.
        """
        if size <= largest:
            return cls((0, size), (0,), size)
        overlap = _up(2 * context, _STEP)
        longest = largest - largest % _STEP
        if longest <= overlap:
            raise ValueError(f"windows of {largest} pixels leave nothing beside their context")
        count = -(-(size - overlap) // (longest - overlap))
        length = _up(-(-(size + (count - 1) * overlap) // count), _STEP)
        last = _up(size - length, _STEP)
        starts = tuple(_down(i * last // (count - 1), _STEP) for i in range(count))
        # Neighbours share at least ``overlap`` pixels; the cut is in the middle of them.
        inner = (_down((a + length + b) // 2, _ALIGN) for a, b in itertools.pairwise(starts))
        return cls((0, *inner, size), starts, length)

    def indices(self, start: int, stop: int) -> range:
        """Windows whose cores meet the pixels from ``start`` to ``stop``."""
        return range(bisect_right(self.cuts, start) - 1, bisect_right(self.cuts, stop - 1))

    def middles(self) -> tuple[int, ...]:
        """Where blocks end: the middle of each core, so that a block needs two windows an axis."""
        if len(self.starts) == 1:
            return self.cuts
        inner = ((a + b) // 2 for a, b in itertools.pairwise(self.cuts))
        return (0, *inner, self.cuts[-1])


class Layout:
    """Windows and blocks of one grid.

    Parameters
    ----------
    width, height : int
        Size of the grid, in pixels.
    context : int
        Least context of the network around a window's core.
    margin : int
        How far a block reads beyond its own area, in pixels: more than the longest nucleus.
    largest : int, optional
        Longest edge of a window; by default it depends on the size of the grid.
    within : Box, optional
        The part of the grid that blocks own; all of it by default. Windows stay where they are.
    cuts : pair of sequences of int, optional
        Columns and rows where blocks end, 0 and the size included, to divide the blocks
        otherwise. The nuclei are the same.
    band : int
        Blocks in one horizontal run before the next row begins; bounds the memory on wide slides
        at the cost of running one window twice for each ``band``.
    """

    def __init__(
        self,
        width: int,
        height: int,
        context: int = 32,
        margin: int = 64,
        largest: int | None = None,
        within: Box | None = None,
        cuts: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
        band: int = 12,
    ) -> None:
        if largest is None:
            largest = LONGEST if width * height <= WHOLE_PX else LONGEST_OF_LARGE
        self.bounds = Box(0, 0, width, height)
        self.within = within or self.bounds
        self.margin = margin
        self.band = band
        self.columns = Axis.over(width, largest, context)
        self.rows = Axis.over(height, largest, context)
        self._cuts = cuts or (self.columns.middles(), self.rows.middles())

    def blocks(self) -> Iterator[Block]:
        """All blocks: bands from left to right, each from top to bottom, row by row."""
        xs, ys = self._cuts
        columns = list(itertools.pairwise(xs))
        for first in range(0, len(columns), self.band):
            for top, bottom in itertools.pairwise(ys):
                for left, right in columns[first : first + self.band]:
                    own = Box(left, top, right, bottom).shared(self.within)
                    if not own.empty:
                        yield Block(own, self._read_by(own))

    def _read_by(self, own: Box) -> Box:
        wide = own.grown(self.margin, self.bounds)
        return Box(_down(wide.left, _ALIGN), _down(wide.top, _ALIGN), wide.right, wide.bottom)

    def window(self, row: int, column: int) -> Window:
        """Window by its place in the lattice."""
        x, y = self.columns.starts[column], self.rows.starts[row]
        return Window(
            row,
            column,
            Box(x, y, x + self.columns.length, y + self.rows.length).shared(self.bounds),
            Box(
                self.columns.cuts[column],
                self.rows.cuts[row],
                self.columns.cuts[column + 1],
                self.rows.cuts[row + 1],
            ),
        )

    def windows(self, box: Box) -> list[Window]:
        """Windows whose cores cover a box, row by row."""
        return [
            self.window(row, column)
            for row in self.rows.indices(box.top, box.bottom)
            for column in self.columns.indices(box.left, box.right)
        ]


def _down(value: int, step: int) -> int:
    return value - value % step


def _up(value: int, step: int) -> int:
    return _down(value + step - 1, step)
