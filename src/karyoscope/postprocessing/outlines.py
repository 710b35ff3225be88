"""Outlines of the nuclei of a label map, as the table of nuclei keeps them."""

from __future__ import annotations

import numpy as np

from karyoscope.core.kernels import njit, part
from karyoscope.postprocessing.runs import find_runs
from karyoscope.postprocessing.shape import measure


def trace_outlines(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Trace one ring around each label, through the midpoints of the pixel edges around it.

    The ring is a simple polygon, of ``pixels - 1/2`` in area, and gives the pixels back (see
    :mod:`karyoscope.core.nuclei`). It runs clockwise on the screen, which is counter-clockwise in
    coordinates, as GeoJSON asks of an outer ring. Vertices on a straight line are left out.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Labels 1 to n, each 4-connected and without holes; of others, the part that holds the
        first pixel is outlined.

    Returns
    -------
    vertices : ndarray of float32, shape (v, 2)
        x, y in pixels, origin at the corner of the top left pixel.
    offsets : ndarray of int64, shape (n + 1,)
        The ring of label ``i`` is ``vertices[offsets[i - 1]:offsets[i]]``.
    """
    runs = find_runs(labels)
    geometry = measure(runs, int(runs.value.max(initial=0)))
    return trace_from(labels, geometry.top, geometry.first_x)


@njit
def trace_from(labels, top, first_x):
    """Trace outlines from the first pixel of each label; see :func:`trace_outlines`.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        Labels 1 to n, each 4-connected and without holes.
    top, first_x : ndarray of int64, shape (n + 1,)
        Row and column of the first pixel of each label in raster order.
    """
    count = len(top) - 1
    offsets = np.empty(count + 1, np.int64)
    offsets[0] = 0
    vertices = np.empty((64 * count + 1024, 2), np.float32)
    used = np.int64(0)
    for v in range(1, count + 1):
        used, vertices = _trace(labels, v, top[v], first_x[v], vertices, used)
        offsets[v] = used
    return vertices[:used], offsets


@part
def _is(labels, y, x, value):
    return 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1] and labels[y, x] == value


@part
def _trace(labels, value, top, first_x, vertices, used):
    """Walk along pixel edges with the label on the right, starting eastwards above ``top``.

    (y, x) is the corner where the present edge begins and (dy, dx) where it leads. A vertex is
    kept where the walk from midpoint to midpoint changes direction.
    """
    y, x, dy, dx = top, first_x, 0, 1
    # The edge before the first one comes up the left side, so it ends with a turn.
    before_y, before_x = -1, 1
    while True:
        ahead_y, ahead_x = y + dy, x + dx
        # Of the four pixels around the next corner, the one ahead on the right, then the left.
        if not _is(labels, ahead_y + (dy + dx - 1) // 2, ahead_x + (dx - dy - 1) // 2, value):
            turn_y, turn_x = dx, -dy
        elif _is(labels, ahead_y + (dy - dx - 1) // 2, ahead_x + (dx + dy - 1) // 2, value):
            turn_y, turn_x = -dx, dy
        else:
            turn_y, turn_x = dy, dx
        step_y, step_x = dy + turn_y, dx + turn_x
        if turn_y == dy and turn_x == dx:
            step_y, step_x = 2 * dy, 2 * dx
        if step_y != before_y or step_x != before_x:
            if used == len(vertices):
                larger = np.empty((2 * used, 2), np.float32)
                for i in range(used):
                    larger[i, 0], larger[i, 1] = vertices[i, 0], vertices[i, 1]
                vertices = larger
            vertices[used, 0], vertices[used, 1] = x + 0.5 * dx, y + 0.5 * dy
            used += 1
        before_y, before_x = step_y, step_x
        y, x, dy, dx = ahead_y, ahead_x, turn_y, turn_x
        if y == top and x == first_x and dy == 0 and dx == 1:
            return used, vertices
