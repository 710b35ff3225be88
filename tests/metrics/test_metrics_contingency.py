"""The contingency table against masks, and every form that label maps come in."""

import brute_force
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from karyoscope import KaryoscopeError, metrics
from karyoscope.metrics.contingency_table import mask_ignored
from karyoscope.metrics.geometry import connected_parts
from karyoscope.metrics.labels import as_label_map, centroids, parts_by_class


def two_maps(largest=5):
    shapes = array_shapes(min_dims=2, max_dims=2, max_side=9)
    labels = st.integers(0, largest)
    return shapes.flatmap(
        lambda shape: st.tuples(*(arrays(np.int32, shape, elements=labels) for _ in range(2)))
    )


@given(two_maps())
@settings(max_examples=50, deadline=None)
def test_counts_equal_those_of_masks(maps):
    true, pred = maps
    table = metrics.contingency(true, pred)
    t, p = brute_force.masks(true), brute_force.masks(pred)
    assert table.true_ids.tolist() == list(t)
    assert table.pred_ids.tolist() == list(p)
    assert table.true_areas.tolist() == [a.sum() for a in t.values()]
    assert table.pred_areas.tolist() == [b.sum() for b in p.values()]
    found = {
        (int(table.true_ids[i]), int(table.pred_ids[j])): int(n)
        for i, j, n in zip(table.pair_true, table.pair_pred, table.pair_area, strict=True)
    }
    shared = {(i, j): int((a & b).sum()) for i, a in t.items() for j, b in p.items()}
    assert found == {pair: n for pair, n in shared.items() if n}
    assert list(found) == sorted(found)
    for (i, j), union in zip(found, table.pair_union, strict=True):
        assert union == (t[i] | p[j]).sum()


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float64]
)
def test_any_type_of_whole_numbers(dtype):
    true, pred = brute_force.nuclei(), brute_force.imperfect(brute_force.nuclei()) % 97
    expected = metrics.contingency(true, pred)
    table = metrics.contingency(true.astype(dtype), np.asfortranarray(pred.astype(dtype)))
    assert (table.pair_area == expected.pair_area).all()
    assert (table.pred_ids == expected.pred_ids).all()


def test_huge_ids_are_kept():
    true = np.where(brute_force.nuclei() > 0, brute_force.nuclei() + 2_000_000_000, 0)
    table = metrics.contingency(true, brute_force.nuclei())
    assert (table.true_ids - 2_000_000_000 == table.pred_ids).all()
    assert (table.true_areas == table.pair_area).all()
    ids, points = centroids(true)
    assert (ids == table.true_ids).all()
    assert points == pytest.approx(centroids(brute_force.nuclei())[1])


def test_empty_image():
    table = metrics.contingency(np.zeros((0, 4), int), np.zeros((0, 4), int))
    assert len(table.true_ids) == len(table.pair_area) == 0
    assert np.isnan(metrics.aji(table))


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        ([[1.5]], [[1]], "fractions"),
        ([[np.nan]], [[1]], "fractions"),
        ([[-1]], [[1]], "outside"),
        ([[2**40]], [[1]], "renumber"),
        ([1, 2], [[1]], "height, width"),
        ([["a"]], [[1]], "whole numbers"),
        ([[1, 2]], [[1], [2]], r"\(1, 2\), predicted one is \(2, 1\)"),
    ],
)
def test_bad_label_maps_are_named(true, pred, message):
    with pytest.raises(KaryoscopeError, match=message):
        metrics.contingency(true, pred)


def test_select_is_the_table_of_fewer_nuclei():
    true, pred = brute_force.nuclei(), brute_force.imperfect(brute_force.nuclei())
    table = metrics.contingency(true, pred)
    keep_true, keep_pred = table.true_ids % 2 == 0, table.pred_ids % 2 == 0
    part = table.select(keep_true, keep_pred)
    other = metrics.contingency(np.where(true % 2 == 0, true, 0), np.where(pred % 2 == 0, pred, 0))
    for name in ("true_ids", "pred_areas", "pair_true", "pair_pred", "pair_area"):
        assert (getattr(part, name) == getattr(other, name)).all()


def test_ignored_pixels_are_in_neither_map():
    true = np.array([[1, 1, 1, 1, 0, 2]], np.int32)
    pred = np.array([[4, 4, 4, 4, 4, 5]], np.int32)
    ignore = np.array([[0, 0, 0, 0, 1, 1]], bool)
    table = metrics.contingency(true, pred, ignore)
    assert table.true_ids.tolist() == [1]
    assert table.pred_ids.tolist() == [4]
    assert table.pair_iou.tolist() == [1.0]


@pytest.mark.parametrize(("true_pixels", "kept"), [(0, []), (1, []), (2, [7])])
def test_prediction_mostly_ignored_is_no_false_alarm(true_pixels, kept):
    """Five pixels of which three are ignored; the other two pair only if the truth fills both."""
    pred = np.array([[7, 7, 7, 7, 7, 0, 0]], np.int32)
    true = np.zeros_like(pred)
    true[0, 3 : 3 + true_pixels] = 1
    ignore = np.array([[1, 1, 1, 0, 0, 0, 0]], bool)
    _, rest = mask_ignored(true, pred, ignore)
    assert np.unique(rest[rest > 0]).tolist() == kept


def test_prediction_half_ignored_counts():
    pred = np.array([[7, 7, 0]], np.int32)
    table = metrics.contingency(np.zeros_like(pred), pred, [[True, False, False]])
    assert table.pred_ids.tolist() == [7]


@given(two_maps())
@settings(max_examples=50, deadline=None)
def test_parts_have_the_class_of_their_pixels(maps):
    labels, class_map = maps
    parts, table = parts_by_class(labels, class_map, "cut")
    inside = labels > 0
    assert (table[parts][inside] == class_map[inside]).all()
    assert ((parts > 0) == inside).all()
    assert len(np.unique(parts[inside])) == len(
        np.unique(np.stack([labels[inside], class_map[inside]]), axis=1).T
    )
    whole, table = parts_by_class(labels, class_map, "majority")
    assert (whole == labels).all()
    for i, mask in brute_force.masks(labels).items():
        counts = np.bincount(class_map[mask])
        assert counts[table[i]] == counts.max()
        assert (counts[: table[i]] < counts.max()).all()


def test_class_table_must_cover_all_ids():
    with pytest.raises(KaryoscopeError, match="no class for id 9"):
        parts_by_class(as_label_map([[9]]), [0, 1])


def test_components_equal_those_of_masks():
    import cv2

    labels = brute_force.imperfect(brute_force.nuclei(count=25))
    parts = connected_parts(as_label_map(labels))
    expected = 0
    for mask in brute_force.masks(labels).values():
        count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        expected += count - 1
        for piece in range(1, count):
            found = np.unique(parts[pieces == piece])
            assert len(found) == 1
            assert (parts == found[0]).sum() == (pieces == piece).sum()
    assert np.unique(parts).tolist() == list(range(expected + 1))


@given(
    arrays(np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2))
)
@settings(max_examples=50, deadline=None)
def test_components_of_noise(labels):
    import cv2

    parts = connected_parts(labels)
    pieces = [
        cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1
        for mask in brute_force.masks(labels).values()
    ]
    assert parts.max(initial=0) == sum(pieces)
    assert ((parts > 0) == (labels > 0)).all()
