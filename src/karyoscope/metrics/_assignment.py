"""One-to-one assignment on a sparse graph, where most nodes have one or two candidates."""

from __future__ import annotations

import numpy as np


def assign(rows: np.ndarray, columns: np.ndarray, cost: np.ndarray, unpaired: float) -> np.ndarray:
    """Choose edges that share no node, at the least total cost.

    Parameters
    ----------
    rows, columns : ndarray of int, shape (k,)
        Nodes of each edge; the edges in order of rows, then columns, none twice.
    cost : ndarray of float64, shape (k,)
        Positive.
    unpaired : float
        Cost of a row that gets no edge, more than that of any edge. More than all edges
        together makes as many pairs as possible.

    Returns
    -------
    ndarray of int64
        Places of the edges that are taken, ascending.
    """
    if not len(rows):
        return np.zeros(0, np.int64)
    alone = (np.bincount(rows)[rows] == 1) & (np.bincount(columns)[columns] == 1)
    contested = np.flatnonzero(~alone)
    if not len(contested):
        return np.flatnonzero(alone)
    # Late: reports of slides load this module, and need no SciPy.
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    _, row = np.unique(rows[contested], return_inverse=True)
    _, column = np.unique(columns[contested], return_inverse=True)
    n, m = int(row[-1]) + 1, int(column.max()) + 1
    # A column of its own for each row lets the row stay unpaired. The solver is sparse, so
    # groups of nuclei that do not touch do not slow each other down.
    ends = np.cumsum(np.bincount(row) + 1)
    entry = np.arange(len(row)) + row
    weight, target = np.full(ends[-1], unpaired), np.empty(ends[-1], np.int32)
    weight[entry], target[entry] = cost[contested], column
    target[ends - 1] = m + np.arange(n)
    graph = csr_array((weight, target, np.append(0, ends).astype(np.int32)), shape=(n, n + m))
    matched_row, matched_column = min_weight_full_bipartite_matching(graph)
    real = matched_column < m
    key = row.astype(np.int64) * m + column
    taken = np.searchsorted(key, matched_row[real].astype(np.int64) * m + matched_column[real])
    return np.sort(np.append(np.flatnonzero(alone), contested[taken]))
