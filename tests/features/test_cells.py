"""Cells around nuclei: never into neighbours, and the same for every path to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features import cells
from karyoscope.features.cells import CellExpansion, expanded_labels
from karyoscope.pipeline.cells import expand_nuclei
from karyoscope.postprocessing import trace_outlines

LIZARD = Taxonomy.load("lizard")
MPP = 0.5


def spread(seed: int, count: int = 12, edge: int = 90) -> np.ndarray:
    """Label image of squares that do not overlap."""
    random = np.random.default_rng(seed)
    labels = np.zeros((edge, edge), np.uint32)
    for label in range(1, count + 1):
        y, x = random.integers(10, edge - 20, 2)
        part = labels[y : y + 8, x : x + 8]
        if not part.any():
            part[:] = label
    numbers, flat = np.unique(labels, return_inverse=True)
    return np.arange(len(numbers), dtype=np.uint32)[flat].reshape(labels.shape)


def nuclei_of(labels: np.ndarray) -> Nuclei:
    vertices, offsets = trace_outlines(labels.astype(np.int32))
    n = len(offsets) - 1
    y, x = np.array([np.argwhere(labels == k).mean(0) + 0.5 for k in range(1, n + 1)]).T
    area = np.bincount(labels.ravel())[1:] * MPP**2
    columns = np.arange(1, n + 1), np.ones(n), x, y, area, np.zeros((n, 0))
    return Nuclei(LIZARD, MPP, *columns, vertices, offsets)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.5, 15))
def test_laws_of_expansion(seed, distance):
    labels = spread(seed)
    grown = expanded_labels(labels, distance)
    held = labels > 0
    assert (grown[held] == labels[held]).all()
    away = distance_transform_edt(~held)
    assert not grown[away > distance].any()
    assert grown[away <= distance * 0.97].all()
    for label in np.unique(labels[held]):
        # What a nucleus gets is hardly farther from it than from any other.
        own = distance_transform_edt(labels != label)
        assert (own - away)[grown == label].max() <= 0.03 * distance + 0.5


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 3))
def test_cells_rotate_with_the_nuclei(seed, turns):
    labels = spread(seed)
    sizes, turned = (
        np.bincount(expanded_labels(np.ascontiguousarray(image), 8).ravel())
        for image in (labels, np.rot90(labels, turns))
    )
    # Pixels as near to two nuclei may go to either.
    np.testing.assert_allclose(sizes, turned, rtol=0.1, atol=12)


def areas(nuclei: Nuclei, blocks: int, distance: float = 4.0) -> dict[str, np.ndarray]:
    expansion = CellExpansion((MPP, MPP), distance)
    parts = [nuclei.take(rows) for rows in np.array_split(np.arange(len(nuclei)), blocks)]
    for part in parts:
        expansion.add(part)
    found = [expansion.measure(part) for part in parts]
    return {name: np.concatenate([f[name] for f in found]) for name in found[0]}


def test_areas_are_those_of_the_label_image(monkeypatch):
    labels = spread(7, 20)
    nuclei = nuclei_of(labels)
    expected = np.bincount(expanded_labels(labels, 8).ravel())[1:] * MPP**2
    whole = areas(nuclei, 1)
    assert whole["cell_area_um2"] == pytest.approx(expected)
    assert whole["nucleus_cell_ratio"] == pytest.approx(nuclei.area_um2 / expected)
    assert areas(nuclei, 5)["cell_area_um2"] == pytest.approx(expected)
    monkeypatch.setattr(cells, "TILE", 32)
    assert areas(nuclei, 3)["cell_area_um2"] == pytest.approx(expected, rel=0.02)


def test_a_lone_nucleus_grows_to_the_area_of_its_buffer():
    labels = np.zeros((120, 120), np.uint32)
    labels[50:70, 50:70] = 1
    found = areas(nuclei_of(labels), 1, 5.0)
    side = 20 * MPP
    expected = side**2 + 4 * side * 5 + np.pi * 5**2
    assert found["cell_area_um2"][0] == pytest.approx(expected, rel=0.06)


def test_outlines_of_cells_do_not_overlap():
    nuclei = nuclei_of(spread(3, 25))
    grown = expand_nuclei(nuclei, 3.0)
    assert grown.id.tolist() == nuclei.id.tolist()
    assert (grown.area_um2 > nuclei.area_um2).all()
    covered = sum(
        (grown.take([row]).label_image(120, 120, -15, -15) > 0).astype(int)
        for row in range(len(grown))
    )
    assert covered.max() == 1
    assert expand_nuclei(nuclei.take([])).id.tolist() == []
