"""The table of nuclei: rows, coordinates, and back to a label image."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nuclei_tables import LIZARD, square, table

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy


@st.composite
def tables(draw, low=0, high=8):
    """Squares, triangles and pentagons on a grid of quarter pixels."""
    n = draw(st.integers(low, high))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rings = [rng.integers(0, 160, (rng.integers(3, 6), 2)) / 4 for _ in range(n)]
    return table(rings)


def assert_equal(a: Nuclei, b: Nuclei, **tolerance):
    assert len(a) == len(b)
    assert a.taxonomy == b.taxonomy
    assert a.mpp == pytest.approx(b.mpp)
    for key, column in a.columns().items():
        other = b.columns()[key]
        if column.dtype.kind == "f" and tolerance:
            np.testing.assert_allclose(column, other, **tolerance)
        else:
            np.testing.assert_array_equal(column, other)
    np.testing.assert_array_equal(a.offsets, b.offsets)
    np.testing.assert_allclose(a.vertices, b.vertices, **(tolerance or {"rtol": 0}))


def test_empty_table():
    empty = Nuclei.empty(LIZARD, 0.25)
    assert len(empty) == 0
    assert empty.counts() == dict.fromkeys(LIZARD.names, 0)
    assert empty.label_image(5, 3).tolist() == [[0] * 5] * 3
    assert_equal(empty.take([]).shift(1, 2).crop(0, 0, 9, 9).renumber(), empty)
    assert empty.scale(0.5).mpp == 0.5
    assert empty.class_names().shape == (0,)
    joined = Nuclei.concat(
        [
            table([square(0, 0)]).scale(0.25).take([]),
            Nuclei(**{**vars(empty), "measurements": {"roundness": np.zeros(0)}}),
        ]
    )
    assert len(joined) == 0


def test_columns_have_the_names_that_files_use():
    columns = table([square(0, 0), square(5, 5)]).columns()
    assert list(columns) == [
        "id",
        "class",
        "x",
        "y",
        "area_um2",
        *(f"p_{name}" for name in LIZARD.names),
        "roundness",
    ]
    assert columns["class"].tolist() == ["neutrophil", "epithelial"]
    assert columns["id"].dtype == np.uint32
    without = table([square(0, 0)])
    without = Nuclei(**{**vars(without), "probabilities": np.zeros((1, 0)), "measurements": {}})
    assert list(without.columns()) == ["id", "class", "x", "y", "area_um2"]


def test_counts_follow_the_taxonomy_and_show_the_unclassified():
    nuclei = table([square(i, 0) for i in range(7)])
    assert list(nuclei.counts().values()) == [2, 1, 1, 1, 1, 1]
    loose = Nuclei(**{**vars(nuclei), "class_id": np.array([0, 0, 6, 6, 6, 1, 2])})
    assert loose.counts() == {
        "neutrophil": 1,
        "epithelial": 1,
        "lymphocyte": 0,
        "plasma": 0,
        "eosinophil": 0,
        "connective": 3,
        "unclassified": 2,
    }
    assert loose.class_names()[:3].tolist() == ["unclassified", "unclassified", "connective"]
    assert "connective 3" in repr(loose)


def test_class_names_with_gaps_in_the_ids():
    gaps = Taxonomy.from_dict(
        {
            "name": "g",
            "classes": [
                {"id": 3, "name": "c", "color": [0, 0, 0]},
                {"id": 200, "name": "z", "color": [1, 1, 1]},
            ],
        }
    )
    nuclei = table([square(0, 0), square(1, 1)], gaps)
    assert nuclei.class_names().tolist() == ["c", "z"]


@given(tables(), st.lists(st.integers(0, 7), max_size=10))
@settings(max_examples=40, deadline=None)
def test_take_gives_the_rows_asked_for(nuclei, rows):
    rows = [row for row in rows if row < len(nuclei)]
    taken = nuclei.take(rows)
    assert taken.id.tolist() == [nuclei.id[row] for row in rows]
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(taken.outline(i), nuclei.outline(row))
        assert taken.measurements["roundness"][i] == nuclei.measurements["roundness"][row]
        np.testing.assert_array_equal(taken.probabilities[i], nuclei.probabilities[row])


@given(tables(), st.integers(0, 255))
@settings(max_examples=40, deadline=None)
def test_take_by_mask_and_concat_are_inverse(nuclei, bits):
    mask = np.array([bits >> i & 1 for i in range(len(nuclei))], bool)
    joined = Nuclei.concat([nuclei.take(mask), nuclei.take(~mask)])
    assert_equal(joined.take(np.argsort(joined.id)), nuclei)


@given(tables(), tables(), tables())
@settings(max_examples=30, deadline=None)
def test_concat_is_associative(a, b, c):
    assert_equal(Nuclei.concat([a, b, c]), Nuclei.concat([Nuclei.concat([a, b]), c]))


def test_concat_refuses_what_does_not_belong_together():
    a = table([square(0, 0)])
    with pytest.raises(KaryoscopeError, match="no tables"):
        Nuclei.concat([])
    with pytest.raises(KaryoscopeError, match="classes or in pixel size"):
        Nuclei.concat([a, a.scale(0.25)])
    with pytest.raises(KaryoscopeError, match="classes or in pixel size"):
        Nuclei.concat([a, table([square(0, 0)], Taxonomy.load("pannuke"))])
    with pytest.raises(KaryoscopeError, match="measurements"):
        Nuclei.concat([a, Nuclei(**{**vars(a), "measurements": {}})])


def test_with_measurements_adds_and_replaces_columns():
    plain = table([square(0, 0), square(4, 0)])
    known = list(plain.measurements)
    more = plain.with_measurements({known[0]: np.array([7.0, 8.0]), "solidity": np.ones(2)})
    assert list(more.measurements) == [*known, "solidity"]
    assert more.measurements[known[0]].tolist() == [7, 8]
    assert list(plain.measurements) == known
    with pytest.raises(ValueError, match="solidity"):
        plain.with_measurements({"solidity": np.ones(3)})


def test_crop_is_half_open_and_moves_nothing():
    nuclei = table([square(0, 0), square(4, 0), square(8, 8)])  # centroids at 2, 6, 10
    assert nuclei.crop(2, 2, 4, 4).id.tolist() == [1]
    assert nuclei.crop(2, 2, 4.001, 4).id.tolist() == [1, 2]
    assert nuclei.crop(6, 0, 99, 99).x.tolist() == [6, 10]


@given(tables(), st.integers(-20, 60), st.integers(-20, 60))
@settings(max_examples=40, deadline=None)
def test_crops_part_a_table_without_loss(nuclei, x, y):
    corners = [
        (-100, -100, x + 100, y + 100),
        (x, -100, 200, y + 100),
        (-100, y, x + 100, 200),
        (x, y, 200, 200),
    ]
    parts = Nuclei.concat([nuclei.crop(*box) for box in corners])
    assert sorted(parts.id.tolist()) == nuclei.id.tolist()


@given(tables(), st.integers(-50, 50), st.integers(-50, 50))
@settings(max_examples=40, deadline=None)
def test_shift_and_back(nuclei, dx, dy):
    moved = nuclei.shift(dx, dy)
    np.testing.assert_allclose(moved.x, nuclei.x + dx)
    assert_equal(moved.shift(-dx, -dy), nuclei, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(moved.label_image(40, 40, dx, dy), nuclei.label_image(40, 40))


@given(tables(), st.sampled_from([0.125, 0.25, 1.0, 2.0]))
@settings(max_examples=40, deadline=None)
def test_scale_keeps_micrometres(nuclei, mpp):
    scaled = nuclei.scale(mpp)
    np.testing.assert_allclose(scaled.x * mpp, nuclei.x * nuclei.mpp)
    np.testing.assert_allclose(scaled.vertices * mpp, nuclei.vertices * nuclei.mpp)
    np.testing.assert_array_equal(scaled.area_um2, nuclei.area_um2)
    assert_equal(scaled.scale(nuclei.mpp), nuclei, rtol=1e-6)


def test_renumber():
    assert table([square(0, 0)] * 3).renumber(5).id.tolist() == [5, 6, 7]


def test_label_image_of_a_square_is_its_pixels():
    labels = table([square(2, 1, 3)]).label_image(8, 6)
    expected = np.zeros((6, 8), np.uint32)
    expected[1:4, 2:5] = 1
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.uint32


def test_label_image_takes_pixels_by_their_centres():
    # From 0.6 to 3.4 the centres 1.5 and 2.5 are inside, 0.5 and 3.5 are not.
    assert np.argwhere(table([square(0.6, 0.6, 2.8)]).label_image(5, 5)).tolist() == [
        [1, 1],
        [1, 2],
        [2, 1],
        [2, 2],
    ]


def test_label_image_of_a_window_and_later_rows_win():
    nuclei = table([square(0, 0), square(2, 2)])
    whole = nuclei.label_image(8, 8)
    assert whole[3, 3] == 2
    np.testing.assert_array_equal(nuclei.label_image(3, 4, 2, 1), whole[1:5, 2:5])
    np.testing.assert_array_equal(nuclei.label_image(4, 4, -2, -2)[2:, 2:], whole[:2, :2])


def test_label_image_skips_what_is_no_area():
    assert not table([[[1, 1], [3, 3]]]).label_image(5, 5).any()


@given(st.integers(0, 10_000), st.integers(3, 9))
@settings(max_examples=40, deadline=None)
def test_label_image_agrees_with_a_point_in_polygon_test(seed, corners):
    ring = (np.random.default_rng(seed).uniform(0, 24, (corners, 2))).astype(np.float32)
    angle = np.arctan2(*(ring - ring.mean(0)).T)
    ring = ring[np.argsort(angle)]  # a simple, star-shaped polygon
    labels = table([ring]).label_image(24, 24)
    for row in range(24):
        for column in range(24):
            distance = cv2.pointPolygonTest(ring[:, None], (column + 0.5, row + 0.5), True)
            if abs(distance) > 1e-3:
                assert (labels[row, column] == 1) == (distance > 0)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_neighbours_that_share_an_edge_share_no_pixel_and_leave_none_out(seed):
    rng = np.random.default_rng(seed)
    middle = np.column_stack([np.sort(rng.uniform(2, 18, 6)), np.linspace(0, 20, 6)])
    left = np.vstack([[[0, 0]], middle, [[0, 20]]])
    right = np.vstack([[[20, 0]], middle, [[20, 20]]])
    both = table([left, right]).label_image(20, 20)
    assert (both > 0).all()
    alone = table([left]).label_image(20, 20) + table([right]).label_image(20, 20)
    assert alone.max() == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"class_id": np.zeros(3)},
        {"x": np.zeros((2, 1))},
        {"probabilities": np.zeros(2)},
        {"probabilities": np.zeros((3, 6))},
        {"offsets": np.array([0, 4])},
        {"offsets": np.array([0, 4, 7])},
        {"offsets": np.array([1, 4, 8])},
        {"measurements": {"a": np.zeros(3)}},
    ],
)
def test_columns_that_do_not_fit_are_defects(broken):
    good = vars(table([square(0, 0), square(5, 5)]))
    with pytest.raises(ValueError, match=r"shape|offsets"):
        Nuclei(**{**good, **broken})
