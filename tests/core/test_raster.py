"""One rule for pixels in outlines and in polygons: the centre inside, or on an edge."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from karyoscope.core.raster import fill_outlines, fill_polygon

SIZE = 12
#: Halves, so that many centres lie on corners and edges.
places = st.integers(-4, 2 * SIZE + 4).map(lambda n: n / 2)
rings = st.lists(st.tuples(places, places), min_size=3, max_size=7)


def by_shapely(geometry) -> np.ndarray:
    x, y = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    return shapely.intersects_xy(geometry, x, y)


def filled(vertices) -> np.ndarray:
    vertices = np.asarray(vertices, np.float32)
    ends = np.array([0, len(vertices)])
    return fill_outlines(vertices, ends, np.array([7], np.uint32), 0, 0, SIZE, SIZE) == 7


@given(rings)
def test_a_ring_holds_what_shapely_says_it_meets(ring):
    polygon = shapely.Polygon(ring)
    if polygon.is_valid:
        np.testing.assert_array_equal(filled(ring), by_shapely(polygon))


def test_an_outline_through_centres_gives_its_pixels_back():
    found = filled([(2.5, 3.5), (6.5, 3.5), (6.5, 5.5), (2.5, 5.5)])
    expected = np.zeros((SIZE, SIZE), bool)
    expected[3:6, 2:7] = True
    np.testing.assert_array_equal(found, expected)


def test_holes_stay_empty_but_for_their_edge():
    hole = [(3.5, 3.5), (7.5, 3.5), (7.5, 7.5), (3.5, 7.5)]
    polygon = shapely.Polygon([(1, 1), (11, 1), (11, 11), (1, 11)], [hole])
    vertices, ring = shapely.get_coordinates(shapely.get_rings(polygon), return_index=True)
    found = fill_polygon(vertices, np.searchsorted(ring, range(3)), 0, 0, SIZE, SIZE)
    np.testing.assert_array_equal(found > 0, by_shapely(polygon))
    assert not found[5, 5]
    assert found[3, 5]


@pytest.mark.parametrize(("left", "top"), [(3, 2), (-4, -1)])
def test_a_window_is_a_part_of_the_whole(left, top):
    vertices = np.array([(1, 1), (9.5, 2), (7, 10)], np.float32)
    arguments = vertices, np.array([0, 3]), np.array([1], np.uint32)
    whole = np.pad(fill_outlines(*arguments, 0, 0, SIZE, SIZE), 5)
    part = fill_outlines(*arguments, left, top, 4, 5)
    np.testing.assert_array_equal(part, whole[5 + top :, 5 + left :][:5, :4])
