import itertools

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from label_map_cases import THREE, dsb2018, label_maps

from karyoscope.postprocessing import nuclei_from_labels, trace_outlines
from karyoscope.postprocessing.runs import find_runs
from karyoscope.postprocessing.shape import measure, solidity


def polygons(labels: np.ndarray) -> np.ndarray:
    vertices, offsets = trace_outlines(labels)
    rings = [vertices[a:b] for a, b in itertools.pairwise(offsets)]
    return np.array([shapely.Polygon(ring) for ring in rings], object)


def check(labels: np.ndarray) -> None:
    outlines = polygons(labels)
    assert len(outlines) == labels.max()
    area = np.bincount(labels.ravel(), minlength=1)[1:]
    np.testing.assert_array_equal(shapely.area(outlines), area - 0.5)
    assert shapely.is_valid(outlines).all()
    assert shapely.is_simple(outlines).all()
    assert shapely.is_ccw(shapely.get_exterior_ring(outlines)).all()
    height, width = labels.shape
    table = nuclei_from_labels(labels, None, THREE, 0.5)
    np.testing.assert_array_equal(table.label_image(width, height), labels)
    geometry = measure(find_runs(labels), labels.max())
    hulls = shapely.area(shapely.convex_hull(outlines))
    ratio = solidity(find_runs(labels), geometry)[1:]
    np.testing.assert_allclose(ratio, (area - 0.5) / hulls, rtol=1e-12)


@settings(max_examples=50, deadline=None)
@given(label_maps())
def test_outlines_give_the_labels_back(labels):
    check(labels)


@pytest.mark.parametrize("labels", dsb2018())
def test_outlines_of_real_labels(labels):
    check(labels)


def test_one_pixel_is_a_diamond():
    vertices, offsets = trace_outlines(np.array([[0, 0], [0, 1]], np.int32))
    np.testing.assert_array_equal(vertices, [[1.5, 1], [2, 1.5], [1.5, 2], [1, 1.5]])
    np.testing.assert_array_equal(offsets, [0, 4])


def test_vertices_on_a_line_are_left_out():
    vertices, _ = trace_outlines(np.ones((3, 50), np.int32))
    assert len(vertices) == 8
    stairs = np.tril(np.ones((40, 40), np.int32))
    assert len(trace_outlines(stairs)[0]) == 6


def test_two_lines_per_pixel_grow_the_buffer():
    comb = np.zeros((3, 5001), np.int32)
    comb[1] = 1
    comb[::2, ::2] = 1
    check(comb)


def test_no_nuclei():
    vertices, offsets = trace_outlines(np.zeros((4, 3), np.int32))
    assert vertices.shape == (0, 2)
    np.testing.assert_array_equal(offsets, [0])
