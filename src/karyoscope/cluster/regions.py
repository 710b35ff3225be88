"""How the blocks of a slide are divided among machines."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping

#: Blocks of a region at most, some minutes of work of two cores: that much is run again when a
#: machine is lost, and its nuclei are in memory at once.
LARGEST = 300
#: Numbers of regions for each task that are tried, from the fewest on; still more regions would
#: repeat more windows than they save time at the end.
_ROUNDS = 4


def divide(blocks: Mapping[int, Collection[Hashable]], slots: int) -> list[list[int]]:
    """Cut blocks, in order, into the regions that are soonest done.

    Neighbouring regions both run the windows between them, so that small regions repeat work,
    while few large ones leave some tasks without work at the end.

    Parameters
    ----------
    blocks : mapping of int to collection of hashable
        Place of each block among all blocks of the layout, and the windows that it needs.
    slots : int
        Tasks that can run at once.

    Returns
    -------
    list of list of int
        Places of the blocks of each region; together all, in ascending order.

    Examples
    --------
    Twelve blocks in a row, each of which needs three windows and shares two with the next:

    >>> blocks = {i: {i, i + 1, i + 2} for i in range(12)}
    >>> divide(blocks, 2)
    [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    """
    places = sorted(blocks)
    if not places:
        return []
    # Numbers, since windows take ten times as long to look up, which is done a hundred times.
    numbers: dict[Hashable, int] = {}
    windows = [
        {numbers.setdefault(window, len(numbers)) for window in blocks[place]} for place in places
    ]
    fewest = -(-len(places) // (LARGEST * max(1, slots)))
    best: list[int] = []
    soonest = float("inf")
    for rounds in range(fewest, fewest + _ROUNDS):
        busiest, sizes = _even(windows, max(1, slots) * rounds)
        if rounds * busiest < soonest:
            soonest, best = rounds * busiest, sizes
    regions = []
    for size in best:
        regions.append(places[:size])
        places = places[size:]
    return regions


def _even(windows: list[set[int]], parts: int) -> tuple[int, list[int]]:
    """Divide blocks so that the part with the most windows has as few as possible.

    Returns the number of windows of that part, and the number of blocks of each part.
    """
    low, high = max(map(len, windows)), len(set().union(*windows))
    while low < high:
        middle = (low + high) // 2
        if len(_cut(windows, middle)) <= parts:
            high = middle
        else:
            low = middle + 1
    return high, _cut(windows, high)


def _cut(windows: list[set[int]], most: int) -> list[int]:
    """Number of blocks of each part, if parts are filled in turn with at most so many windows."""
    sizes = [0]
    needed: set[int] = set()
    for each in windows:
        more = len(each - needed)
        if sizes[-1] and (len(needed) + more > most or sizes[-1] == LARGEST):
            sizes.append(0)
            needed.clear()
        needed.update(each)
        sizes[-1] += 1
    return sizes
