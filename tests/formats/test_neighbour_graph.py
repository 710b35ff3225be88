"""The graph of neighbouring nuclei, and its place in AnnData."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from some_nuclei import make_nuclei

from karyoscope.formats import open_writers
from karyoscope.formats.scverse.graph import neighbour_graph


def dense(points: np.ndarray, longest: float = 50.0) -> np.ndarray:
    distances, indices, starts = neighbour_graph(points, longest)
    matrix = np.zeros((len(points), len(points)))
    for row in range(len(points)):
        matrix[row, indices[starts[row] : starts[row + 1]]] = distances[
            starts[row] : starts[row + 1]
        ]
    return matrix


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 60), st.floats(-3, 3))
def test_laws_of_the_graph(seed, count, angle):
    random = np.random.default_rng(seed)
    points = random.uniform(0, 200, (count, 2))
    matrix = dense(points)
    assert (matrix == matrix.T).all()
    assert not matrix.diagonal().any()
    assert matrix.max(initial=0) <= 50
    between = np.linalg.norm(points[:, None] - points[None], axis=2)
    edges = matrix > 0
    np.testing.assert_allclose(matrix[edges], between[edges])
    np.fill_diagonal(between, np.inf)
    for row in range(count if count > 1 else 0):
        nearest = between[row].argmin()
        # The nearest neighbour is an edge of every Delaunay triangulation.
        assert edges[row, nearest] or between[row, nearest] > 50
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert ((dense(points @ turn + 1000) > 0) == edges).mean() > 0.99 if count else True


def test_nuclei_on_one_line_are_neighbours_in_order():
    points = np.array([[0.0, 0], [20, 0], [10, 0], [90, 0]])
    assert dense(points).tolist() == [[0, 0, 10, 0], [0, 0, 10, 0], [10, 10, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("name", ["h5ad", "spatialdata"])
def test_it_is_written_where_neighbours_are_measured(tmp_path, context, name):
    library = pytest.importorskip({"h5ad": "h5py", "spatialdata": "zarr"}[name])
    nuclei = make_nuclei(300)
    nuclei = nuclei.with_measurements({"nearest_um": np.ones(300, np.float32)})
    context = replace(context, measurements=("nearest_um",), mpp_axes=(0.5, 0.25))
    with open_writers(tmp_path, "a", [name], context) as writers:
        for rows in np.array_split(np.arange(300), 3):
            writers.write(nuclei.take(rows))
    path = tmp_path / ("a.h5ad" if name == "h5ad" else "a.spatialdata.zarr/tables/nuclei_table")
    root = library.File(path) if name == "h5ad" else library.open_group(str(path), mode="r")
    points = np.stack([nuclei.x * 0.5, nuclei.y * 0.25], 1)
    for key, values in (("connectivities", dense(points) > 0), ("distances", dense(points))):
        group = root[f"obsp/spatial_{key}"]
        assert list(group.attrs["shape"]) == [300, 300]
        assert group.attrs["encoding-type"] == "csr_matrix"
        starts, indices = group["indptr"][:], group["indices"][:]
        rows = np.repeat(np.arange(300), np.diff(starts))
        matrix = np.zeros((300, 300))
        matrix[rows, indices] = group["data"][:]
        np.testing.assert_allclose(matrix, values)
