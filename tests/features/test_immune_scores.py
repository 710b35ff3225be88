"""Immune cells in, beside and away from epithelium, on a slide of which everything is known."""

import numpy as np
import pytest

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features.immune import COLUMNS, STEP_UM, ImmuneScores

LIZARD = Taxonomy.load("lizard")
EPITHELIAL, LYMPHOCYTE, PLASMA, CONNECTIVE = 2, 3, 4, 6
MPP = 0.5
SIZE = 2400  # px: 1200 µm


def table(points: np.ndarray, class_id: int, area: float = 30.0) -> Nuclei:
    n = len(points)
    square = np.tile(np.array([[0, 0], [1, 0], [1, 1]], np.float32), (n, 1))
    x, y = (np.asarray(points, float).reshape(-1, 2) / MPP).T
    columns = np.full(n, class_id), x, y, np.full(n, area), np.zeros((n, 0))
    return Nuclei(LIZARD, MPP, np.arange(1, n + 1), *columns, square, np.arange(n + 1) * 3)


def grid(left: float, right: float, step: float) -> np.ndarray:
    x, y = np.meshgrid(np.arange(left, right, step), np.arange(0, 1200, step))
    return np.stack([x.ravel(), y.ravel()], 1) + step / 2


def made(turned: bool = False, blocks: int = 1) -> ImmuneScores:
    """Epithelium on the left third, lymphocytes beside it, all of it tissue."""
    scores = ImmuneScores(LIZARD, (MPP, MPP), (SIZE, SIZE))
    parts = [
        table(grid(0, 400, 10), EPITHELIAL),
        table(grid(0, 400, 100), LYMPHOCYTE),
        table(grid(400, 1200, 10), CONNECTIVE),
        table(grid(480, 520, 10), PLASMA, 25),
    ]
    for part in parts:
        for rows in np.array_split(np.arange(len(part)), blocks):
            block = part.take(rows)
            if turned:
                block = table(np.stack([1200 - block.y * MPP, block.x * MPP], 1), 1)
                block = Nuclei(**{**vars(block), "class_id": part.class_id[rows],
                                  "area_um2": part.area_um2[rows]})  # fmt: skip
            scores.add(block)
    centres = np.arange(4, SIZE, 8) + 0.0
    x, y = (v.ravel() for v in np.meshgrid(centres, centres))
    scores.add_tissue(x, y, np.full(x.shape, 64.0))
    return scores


def test_areas_and_densities():
    found = made().scores()
    assert list(found) == list(COLUMNS)
    assert found["epithelium_mm2"] == pytest.approx(0.4 * 1.2)
    assert found["epithelium_mm2"] + found["stroma_mm2"] == pytest.approx(1.44)
    assert found["immune_epithelium_per_mm2"] == pytest.approx(100, rel=0.05)
    assert found["immune_beyond_per_mm2"] > 10 * found["immune_edge_per_mm2"]
    plasma = 4 * 120
    expected = 100 * plasma * 25e-6 / found["stroma_mm2"]
    assert found["stromal_til_percent"] == pytest.approx(expected, rel=0.02)


def test_a_part_has_its_own_scores():
    scores = made()
    halves = [
        scores.scores(lambda x, y, above=above: (y < SIZE / 2) == above) for above in (True, False)
    ]
    whole = scores.scores()
    assert sum(h["stroma_mm2"] for h in halves) == pytest.approx(whole["stroma_mm2"])
    left = scores.density(lambda x, y: x * MPP < 300)
    assert left == pytest.approx(100, rel=0.01)
    assert scores.density(lambda x, y: x < -1) is None


def test_blocks_and_quarter_turns_change_nothing():
    whole = made().scores()
    assert made(blocks=7).scores() == pytest.approx(whole)
    assert made(turned=True).scores() == pytest.approx(whole)


def test_without_epithelium_all_tissue_is_stroma_far_away():
    scores = ImmuneScores(LIZARD, (MPP, MPP), (SIZE, SIZE))
    scores.add(table(grid(0, 1200, 60), LYMPHOCYTE))
    scores.add_tissue(np.array([10.0]), np.array([10.0]), np.array([4e6]))
    found = scores.scores()
    assert found["epithelium_mm2"] == 0
    assert found["immune_epithelium_per_mm2"] is None
    assert found["immune_edge_per_mm2"] is None
    assert found["immune_beyond_per_mm2"] == pytest.approx(400)


def test_classes_without_immune_cells_have_no_scores():
    assert ImmuneScores(Taxonomy.load("nucleus"), (MPP, MPP), (100, 100)).scores() == {}


def test_epithelium_is_where_most_nuclei_are():
    scores = ImmuneScores(LIZARD, (MPP, MPP), (SIZE, SIZE))
    scores.add(table(np.array([[610.0, 610.0], [612.0, 612.0]]), EPITHELIAL))
    where = np.argwhere(scores.epithelium())
    middle = int(610 / STEP_UM)
    assert where.min(0).tolist() == [middle - 2] * 2
    assert where.max(0).tolist() == [middle + 2] * 2
    scores.add(table(np.full((5, 2), 611.0), CONNECTIVE))
    assert not scores.epithelium().any()
