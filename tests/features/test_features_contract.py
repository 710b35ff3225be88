"""What every group of features must do; a new group needs no test of its own for it."""

import numpy as np
import pytest

from karyoscope.core.faults import KINDS
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features import GROUPS, FeatureContext, PixelGrid, feature_columns
from karyoscope.postprocessing import trace_outlines

LIZARD = Taxonomy.load("lizard")
MPP = 0.5

every_group = pytest.mark.parametrize("name", GROUPS)


def nuclei_of(labels: np.ndarray) -> Nuclei:
    vertices, offsets = trace_outlines(labels)
    n = len(offsets) - 1
    centres = np.array([np.argwhere(labels == i + 1).mean(0) for i in range(n)]) + 0.5
    area = np.bincount(labels.ravel())[1:] * MPP**2
    ids = np.arange(1, n + 1)
    y, x = centres.T
    return Nuclei(LIZARD, MPP, ids, 1 + ids % 6, x, y, area, np.zeros((n, 0)), vertices, offsets)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 250, (96, 96, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def nuclei() -> Nuclei:
    labels = np.zeros((96, 96), np.int32)
    for k in range(9):
        y, x = 8 + 30 * (k // 3), 8 + 30 * (k % 3)
        labels[y : y + 8 + k, x : x + 12] = k + 1
    return nuclei_of(labels)


def context(image: np.ndarray | None) -> FeatureContext:
    def read(x, y, width, height):
        assert image is not None
        return np.ascontiguousarray(image[y : y + height, x : x + width])

    pixels = None if image is None else (lambda mpp: PixelGrid(read, 1.0, 1.0))

    def faults(x, y):
        return {kind: (x + k) % 7 < 3 for k, kind in enumerate(KINDS)}

    return FeatureContext(LIZARD, (MPP, MPP), 30.0, pixels, faults)


def measured(name: str, nuclei: Nuclei, image: np.ndarray, parts: int) -> dict[str, np.ndarray]:
    """Columns of a group, the nuclei coming in several blocks."""
    group = GROUPS[name]
    measurement = group.start(context(image if group.needs_pixels else None))
    blocks = [nuclei.take(rows) for rows in np.array_split(np.arange(len(nuclei)), parts)]
    if group.needs_all:
        for block in blocks:
            measurement.add(block)
    found = [measurement.measure(block) for block in blocks]
    return {column: np.concatenate([f[column] for f in found]) for column in found[0]}


@every_group
def test_it_measures_the_columns_that_it_declares(name, nuclei, image):
    found = measured(name, nuclei, image, 1)
    assert list(found) == [f.name for f in feature_columns([name], LIZARD, 30)]
    for column in found.values():
        assert column.dtype == np.float32
        assert column.shape == (len(nuclei),)
    assert any(np.isfinite(column).all() for column in found.values())


@every_group
def test_it_does_not_depend_on_the_blocks(name, nuclei, image):
    whole, cut = (measured(name, nuclei, image, parts) for parts in (1, 4))
    for column, values in whole.items():
        np.testing.assert_allclose(values, cut[column], rtol=1e-6)


@every_group
def test_it_declares_what_people_read(name):
    group = GROUPS[name]
    assert group.name == name
    assert group.title
    assert all(f.name and f.definition for f in group.columns)
    units = {"µm": "_um", "µm²": "_um2", "°": "_deg", "1/mm²": "_per_mm2"}
    assert all(f.name.endswith(units.get(f.unit, "")) for f in group.columns)


@every_group
def test_a_table_without_rows_has_its_columns(name, nuclei, image):
    assert [len(column) for column in measured(name, nuclei.take([]), image, 1).values()] == [
        0
    ] * len(feature_columns([name], LIZARD, 30))
