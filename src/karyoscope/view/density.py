"""How many nuclei of each class lie in each bin of a tile: all of them, at any magnification."""

from __future__ import annotations

import math

import numpy as np

from karyoscope.view.edited import EditedTable

#: Bins along each edge of a tile of densities.
BINS = 64
_AT_ONCE = 1 << 17


def levels_of(across: int, down: int) -> int:
    """Levels of the pyramid of densities; one tile of the last covers the slide."""
    return 1 + math.ceil(math.log2(max(across, down, 1)))


def count_bins(
    nuclei: EditedTable, level: int, column: int, row: int, shown: np.ndarray | None = None
) -> np.ndarray:
    """Count the nuclei of each class in the bins of one tile.

    A tile of level ``k`` spans ``2**k`` by ``2**k`` tiles of nuclei. Every nucleus is in exactly
    one bin of each level, so that the counts of a level add up to all nuclei.

    Parameters
    ----------
    nuclei : EditedTable
    level, column, row : int
        Level of the tile, and its column and row among the tiles of the level.
    shown : ndarray of bool, shape (n,), optional
        Nuclei to count, of the table as it was before any correction; all by default. Nuclei
        that were added by hand have no measurements and always count.

    Returns
    -------
    ndarray of uint32, shape (classes + 1, BINS, BINS)
        Counts of the unclassified first, then of each class of the taxonomy in its order.
    """
    table, span = nuclei.table, 2**level
    rows = table.rows_of(column * span, row * span, span)
    counts = np.zeros((len(table.context.taxonomy) + 1) * BINS * BINS, np.int64)

    def add(x: np.ndarray, y: np.ndarray, class_id: np.ndarray) -> None:
        size = table.tile * span / BINS
        # What lies beyond the last tile of nuclei was counted into it; so it is here.
        right, bottom = table.across * table.tile - 1, table.down * table.tile - 1
        bin_x = np.floor(np.clip(x, 0, right) / size).astype(np.int32) - column * BINS
        bin_y = np.floor(np.clip(y, 0, bottom) / size).astype(np.int32) - row * BINS
        inside = (bin_x >= 0) & (bin_x < BINS) & (bin_y >= 0) & (bin_y < BINS)
        slots = slot_of_class(nuclei)[class_id[inside]]
        place = (slots * BINS + bin_y[inside]) * BINS + bin_x[inside]
        counts[:] += np.bincount(place, minlength=len(counts))

    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        part = part[nuclei.alive[part]]
        if shown is not None:
            part = part[shown[part]]
        add(table.x[part], table.y[part], nuclei.class_id[part])
    add(*nuclei.added_arrays())
    return counts.reshape(-1, BINS, BINS).astype(np.uint32)


def slot_of_class(nuclei: EditedTable) -> np.ndarray:
    """Place of each class id in what is sent: int64, shape (256,); 0 is "unclassified"."""
    slots = np.zeros(256, np.int64)
    for place, class_id in enumerate(nuclei.table.context.taxonomy.ids, start=1):
        slots[class_id] = place
    return slots
