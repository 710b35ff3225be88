"""The order of the work: which windows are run before a block, and which are forgotten after it.

A block without anything to search is not analysed, and neither is a window: where nothing within
:data:`MARGIN_UM` of its core is searched, it is *blank*. It is neither read nor run, and blocks
take zeros for its maps, of which no post-processing makes a nucleus. A nucleus whose centroid is
where nuclei are searched keeps its whole outline, if it is not longer than the margin; one that
reaches a blank window is left out, since nothing is known of the rest of it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from karyoscope.inference import Model
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Block, Layout, Window

#: How far a block reads beyond its own area, µm: more than the longest nucleus.
MARGIN_UM = 32.0


def layout_for(model: Model, area: Area) -> Layout:
    """Return the windows and blocks of an area at a model's scale."""
    margin = round(MARGIN_UM / model.mpp)
    grid = area.grid
    return Layout(grid.width, grid.height, model.context, margin, within=area.on_grid)


def wanted_blocks(layout: Layout, area: Area) -> list[int]:
    """Return the places, among all blocks of a layout, of those that hold some of the area."""
    return [i for i, block in enumerate(layout.blocks()) if area.measure(block.own) > 0]


@dataclass(frozen=True)
class Step:
    """One block, and the windows that come and go with it.

    Attributes
    ----------
    index : int
        Place of the block among all blocks of the layout.
    block : Block
    analysed_px : float
        Pixels of level 0 that are wanted of it, those of blank windows included.
    tissue_px : float
        Analysed pixels that are tissue; NaN where the tissue is not known.
    windows, fresh, spent : list of Window
        Those whose maps it needs, those of them to run before it, and those to forget after it.
    cut : list of (Window, int)
        Windows that later blocks need only from a row of the grid on: the rows above can be
        forgotten after it.
    blank : list of Window
        Those that it reads and whose maps are zeros; they are in none of the other lists.
    """

    index: int
    block: Block
    analysed_px: float
    tissue_px: float
    windows: list[Window]
    fresh: list[Window]
    spent: list[Window]
    cut: list[tuple[Window, int]]
    blank: list[Window]


def plan_blocks(layout: Layout, area: Area, indices: Collection[int] | None = None) -> list[Step]:
    """Steps for the blocks that hold some of the area, in the layout's order.

    A window is held from its first block to its last. Only a window between two bands is run
    twice: it would be held for a whole band. Blank windows are not run.

    Parameters
    ----------
    layout : Layout
        Windows and blocks of the slide.
    area : Area
        Area that is analysed.
    indices : collection of int, optional
        Places of the blocks that are wanted, among all of the layout; all by default.
    """
    blocks = []
    for index, block in enumerate(layout.blocks()):
        if indices is None or index in indices:
            pixels = area.measure(block.own)
            if pixels > 0:
                blocks.append((index, block, pixels, area.tissue_of(block.own)))
    reads = [layout.windows(block.read) for _, block, *_ in blocks]
    needs = _searched(reads, layout, area)
    uses: dict[Window, list[int]] = {}
    for step, windows in enumerate(needs):
        for window in windows:
            uses.setdefault(window, []).append(step)
    kept_for = 2 * layout.band
    plan = []
    for step, (place, windows) in enumerate(zip(blocks, needs, strict=True)):
        fresh, spent, cut = [], [], []
        for window in windows:
            at = uses[window].index(step)
            before, after = uses[window][:at][-1:], uses[window][at + 1 : at + 2]
            if not before or step - before[0] > kept_for:
                fresh.append(window)
            if not after or after[0] - step > kept_for:
                spent.append(window)
                continue
            # Those after a gap for which the window is forgotten only make this top smaller.
            top = min(blocks[use][1].read.top for use in uses[window][at + 1 :])
            if top > max(place[1].read.top, window.core.top):
                cut.append((window, top))
        zeros = [window for window in reads[step] if window not in windows]
        plan.append(Step(*place, windows, fresh, spent, cut, zeros))
    return plan


def needed_windows(layout: Layout, area: Area, indices: Collection[int]) -> dict[int, list[Window]]:
    """Return the windows that are run for each of some blocks, by the place of the block."""
    blocks = {i: block for i, block in enumerate(layout.blocks()) if i in indices}
    reads = [layout.windows(block.read) for block in blocks.values()]
    return dict(zip(blocks, _searched(reads, layout, area), strict=True))


def _searched(reads: list[list[Window]], layout: Layout, area: Area) -> list[list[Window]]:
    """Windows that blocks read, without the blank ones."""
    blank = {window for window in set().union(*reads) if is_blank(window, layout, area)}
    # What a block owns is searched, so not all of its windows are blank, save for a rounding.
    return [[w for w in windows if w not in blank] or windows for windows in reads]


def is_blank(window: Window, layout: Layout, area: Area) -> bool:
    """Whether nothing in a window's core, or within the margin of blocks around it, is searched."""
    return not area.measure(window.core.grown(layout.margin, layout.bounds)) > 0
