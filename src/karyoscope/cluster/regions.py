"""How the blocks of a slide are divided among machines."""

from __future__ import annotations

from collections.abc import Iterable

#: Blocks of a region, at least and at most. Neighbouring regions both run the windows between
#: them, so small ones waste work; large ones are long to run again when a machine is lost, and
#: their nuclei are in memory at once.
SMALLEST, LARGEST = 6, 96
#: Regions for each task that can run at once, so that the last ones end together.
_SHARE = 4


def divide(indices: Iterable[int], slots: int, band: int) -> list[list[int]]:
    """Cut blocks, in order, into regions.

    Parameters
    ----------
    indices : iterable of int
        Places of the blocks among all blocks of the layout.
    slots : int
        Tasks that can run at once.
    band : int
        Blocks in a row of the layout; regions of more than a row are whole rows.

    Examples
    --------
    >>> [len(region) for region in divide(range(100), 2, 12)]
    [24, 24, 24, 24, 4]
    """
    ordered = sorted(indices)
    size = min(max(-(-len(ordered) // (_SHARE * max(1, slots))), SMALLEST), LARGEST)
    if size > band:
        size += -size % band
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
