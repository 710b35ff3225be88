"""How the blocks of a slide are divided among machines."""

from __future__ import annotations

from collections.abc import Iterable

#: Blocks of a region, at least and at most: large ones are long to run again when a machine is
#: lost, and their nuclei are in memory at once.
SMALLEST, LARGEST = 6, 96


def divide(indices: Iterable[int], slots: int, band: int) -> list[list[int]]:
    """Cut blocks, in order, into the regions that are soonest done.

    Neighbouring regions both run the windows between them, so that small regions repeat work,
    while few large ones leave some tasks without work at the end.

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
    [60, 40]
    >>> [len(region) for region in divide(range(100), 4, 12)]
    [36, 36, 28]
    """
    ordered = sorted(indices)
    sizes = [n for n in range(SMALLEST, LARGEST + 1) if n < band or n % band == 0]

    def work(size: int) -> int:
        """Windows that the busiest of the tasks runs."""
        rounds = -(-len(ordered) // (size * max(1, slots)))
        return rounds * windows_of(min(size, len(ordered)), band)

    size = min(sizes, key=work)
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def windows_of(size: int, band: int) -> int:
    """Return the number of windows that a region of so many neighbouring blocks needs.

    Blocks end in the middle of windows, so that one needs two along each axis.
    """
    rows = -(-size // band)
    return (min(size, band) + 1) * (rows + 1)
