"""The graph of neighbouring nuclei, in the layout of AnnData's ``obsp``."""

from __future__ import annotations

import numpy as np

from karyoscope.formats.scverse.store import Store

LONGEST_UM = 50.0
#: Column that is measured where the graph is wanted.
WANTED_WITH = "nearest_um"
_NAMES = {"connectivities": "spatial_connectivities", "distances": "spatial_distances"}


def neighbour_graph(points: np.ndarray, longest: float = LONGEST_UM) -> tuple[np.ndarray, ...]:
    """Edges of the Delaunay triangulation that are not too long, as a sparse matrix.

    Parameters
    ----------
    points : ndarray of float, shape (n, 2)
        Centroids in µm.
    longest : float
        Greatest length of an edge, in µm.

    Returns
    -------
    distances : ndarray of float64, shape (e,)
        Length of each edge in µm; every edge is there from both of its ends.
    indices : ndarray of int32, shape (e,)
        Row of the neighbour, ascending for each nucleus.
    starts : ndarray of int64, shape (n + 1,)
        The neighbours of nucleus ``i`` are ``indices[starts[i]:starts[i + 1]]``.
    """
    pairs = _edges(points)
    length = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    pairs, length = pairs[length <= longest], length[length <= longest]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    order = np.lexsort((both[:, 1], both[:, 0]))
    degrees = np.bincount(both[:, 0], minlength=len(points))
    starts = np.concatenate([[0], np.cumsum(degrees)]).astype(np.int64)
    return np.tile(length, 2)[order], both[order, 1].astype(np.int32), starts


def _edges(points: np.ndarray) -> np.ndarray:
    """Pairs of rows, each once, the smaller first: int, shape (e, 2)."""
    # Only here: most runs have no need of it.
    from scipy.spatial import Delaunay, QhullError

    n = len(points)
    if n < 3:
        return np.array([[0, 1]] if n == 2 else np.zeros((0, 2)), np.int64).reshape(-1, 2)
    try:
        corners = Delaunay(points - points.mean(0)).simplices
    except QhullError:
        # All on one line: each has the next one for a neighbour.
        order = np.lexsort((points[:, 1], points[:, 0]))
        return np.sort(np.stack([order[:-1], order[1:]], 1), 1)
    sides = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    return np.unique(np.sort(sides.astype(np.int64), 1), axis=0)


def write_graph(store: Store, points: np.ndarray) -> None:
    """Write ``obsp["spatial_connectivities"]`` and ``obsp["spatial_distances"]``.

    The names, and ``uns["spatial_neighbors"]``, are those of squidpy.

    Parameters
    ----------
    store : Store
        The file, which has the groups ``obsp`` and ``uns``.
    points : ndarray of float, shape (n, 2)
        Centroids in µm, in the order of the observations.
    """
    distances, indices, starts = neighbour_graph(points)
    plain = {"encoding-type": "array", "encoding-version": "0.2.0"}
    chunk = (1 << 16,)
    for kind, name in _NAMES.items():
        path, n = f"obsp/{name}", len(points)
        matrix = {"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (n, n)}
        store.group(path, matrix)
        values = distances if kind == "distances" else np.ones(len(distances))
        for part, array in (("data", values), ("indices", indices), ("indptr", starts)):
            store.array(f"{path}/{part}", chunk, array.dtype, plain)
            store.append(f"{path}/{part}", array)
    store.group("uns/spatial_neighbors", {"encoding-type": "dict", "encoding-version": "0.1.0"})
    for kind, name in _NAMES.items():
        text = {"encoding-type": "string", "encoding-version": "0.2.0"}
        store.text(f"uns/spatial_neighbors/{kind}_key", name, text)
