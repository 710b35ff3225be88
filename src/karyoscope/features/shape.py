"""Shape of nuclei from their outlines, by exact integrals over the polygon.

Area and second moments of a polygon are sums over its edges (Green's theorem; C. Steger, "On the
calculation of arbitrary moments of polygons", 1996), so that they need no pixels and do not depend
on where the outline starts or in which direction it runs.
"""

from __future__ import annotations

import math

import numpy as np

from karyoscope.core.kernels import njit, part
from karyoscope.core.nuclei import Nuclei
from karyoscope.features.base import Feature, FeatureContext, FeatureGroup, PerNucleus

COLUMNS = (
    Feature("perimeter_um", "µm", "length of the outline"),
    Feature("circularity", "", "4π × area of the outline / perimeter²; 1 for a circle"),
    Feature(
        "eccentricity",
        "",
        "eccentricity of the ellipse with the same second moments as the outline; 0 for a circle,"
        " near 1 for a spindle",
    ),
    Feature("solidity", "", "area of the outline / area of its convex hull; 1 if it is convex"),
    Feature(
        "orientation_deg",
        "°",
        "angle from the x axis to the major axis, counter-clockwise on the screen, 0 to 180; 0 if"
        " no axis is longer",
    ),
    Feature("major_axis_um", "µm", "longer axis of the ellipse with the same second moments"),
    Feature("minor_axis_um", "µm", "shorter axis of the ellipse with the same second moments"),
)


#: Difference of the second moments along both axes, by their mean, that rounding can make.
_ROUND = 1e-9


def shape_features(
    nuclei: Nuclei, mpp_xy: tuple[float, float] | None = None
) -> dict[str, np.ndarray]:
    """Measure the outlines of nuclei.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei to measure.
    mpp_xy : (float, float), optional
        Micrometres per pixel along x and y; ``nuclei.mpp`` for both by default.

    Returns
    -------
    dict of str to ndarray of float32, shape (n,)
        The columns of the group ``shape``; see :data:`karyoscope.features.GROUPS`. Ratios of an
        outline without area are NaN.
    """
    scale_x, scale_y = mpp_xy or (nuclei.mpp, nuclei.mpp)
    values = _measure(nuclei.vertices, nuclei.offsets, float(scale_x), float(scale_y))
    return {feature.name: values[k] for k, feature in enumerate(COLUMNS)}


@njit
def _measure(vertices, offsets, scale_x, scale_y):
    """One column a row of the result, in the order of the group."""
    out = np.empty((7, len(offsets) - 1), np.float32)
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        area, perimeter, xx, xy, yy = _moments(vertices, start, stop, scale_x, scale_y)
        out[0, row] = perimeter
        if area <= 0.0:
            for k in range(1, 7):
                out[k, row] = math.nan
            continue
        middle, apart = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
        longer, shorter = middle + apart, max(middle - apart, 0.0)
        # The y axis points down, so that an angle runs the other way on the screen.
        angle = -math.degrees(math.atan2(2 * xy, xx - yy)) / 2 % 180.0
        if apart <= _ROUND * middle:
            # Rounding alone would decide.
            angle = 0.0
        hull = _hull_area(vertices, start, stop) * scale_x * scale_y
        out[1, row] = 4 * math.pi * area / perimeter**2
        out[2, row] = math.sqrt(max(0.0, 1 - shorter / longer))
        out[3, row] = min(1.0, area / hull)
        # Below the half circle also when rounded to single precision.
        out[4, row] = angle if angle < 179.99999 else 0.0
        out[5, row] = 4 * math.sqrt(longer)
        out[6, row] = 4 * math.sqrt(shorter)
    return out


@part
def _moments(vertices, start, stop, scale_x, scale_y):
    """Area, perimeter and central second moments by area: of x², xy and y²."""
    # Relative to the first vertex: far from the origin, the products would lose all digits.
    x0, y0 = float(vertices[start, 0]), float(vertices[start, 1])
    twice, perimeter = 0.0, 0.0
    sx, sy, sxx, sxy, syy = 0.0, 0.0, 0.0, 0.0, 0.0
    px = (float(vertices[stop - 1, 0]) - x0) * scale_x
    py = (float(vertices[stop - 1, 1]) - y0) * scale_y
    for i in range(start, stop):
        qx = (float(vertices[i, 0]) - x0) * scale_x
        qy = (float(vertices[i, 1]) - y0) * scale_y
        cross = px * qy - qx * py
        twice += cross
        perimeter += math.sqrt((qx - px) ** 2 + (qy - py) ** 2)
        sx += (px + qx) * cross
        sy += (py + qy) * cross
        sxx += (px * px + px * qx + qx * qx) * cross
        syy += (py * py + py * qy + qy * qy) * cross
        sxy += (px * qy + 2 * px * py + 2 * qx * qy + qx * py) * cross
        px, py = qx, qy
    if twice == 0.0:
        return 0.0, perimeter, 0.0, 0.0, 0.0
    # Quotients, so that the direction of the ring does not matter.
    cx, cy = sx / (3 * twice), sy / (3 * twice)
    xx = sxx / (6 * twice) - cx * cx
    yy = syy / (6 * twice) - cy * cy
    xy = sxy / (12 * twice) - cx * cy
    return abs(twice) / 2, perimeter, xx, xy, yy


@part
def _hull_area(vertices, start, stop):
    """Area of the convex hull in pixels: from vertex to vertex round it, a sweep each.

    For the few corners that a nucleus's hull has this is quicker than sorting the vertices.
    """
    first = start
    for i in range(start + 1, stop):
        if vertices[i, 0] < vertices[first, 0] or (
            vertices[i, 0] == vertices[first, 0] and vertices[i, 1] < vertices[first, 1]
        ):
            first = i
    x0, y0 = float(vertices[first, 0]), float(vertices[first, 1])
    twice = 0.0
    at = first
    for _ in range(stop - start):
        px, py = float(vertices[at, 0]), float(vertices[at, 1])
        bx, by = 0.0, 0.0
        best = at
        for i in range(start, stop):
            dx, dy = float(vertices[i, 0]) - px, float(vertices[i, 1]) - py
            cross = bx * dy - by * dx
            # Of several on one line, the farthest.
            if cross < 0 or (cross == 0 and dx * dx + dy * dy > bx * bx + by * by):
                bx, by = dx, dy
                best = i
        twice += (px - x0) * by - bx * (py - y0)
        at = best
        if vertices[at, 0] == vertices[first, 0] and vertices[at, 1] == vertices[first, 1]:
            break
    return abs(twice) / 2


def _start(context: FeatureContext) -> PerNucleus:
    return PerNucleus(lambda nuclei: shape_features(nuclei, context.mpp_xy))


SHAPE = FeatureGroup("shape", "Shape", COLUMNS, _start)
