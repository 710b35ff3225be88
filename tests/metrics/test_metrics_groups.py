"""Groups of patients compared."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from karyoscope.metrics.groups import compare_groups

values = st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=9, unique=True)


def units(**groups):
    return [(name, value) for name, found in groups.items() for value in found]


@given(values, values)
def test_two_groups(a, b):
    (found,) = compare_groups({"m": units(a=a, b=b)})
    if len(set(a + b)) == 1:
        assert found.p is None
        return
    assert found.test == "Mann-Whitney U"
    pairs = [np.sign(x - y) for x in a for y in b]
    assert found.effect == pytest.approx(np.mean(pairs), abs=1e-12)
    assert found.p == found.p_adjusted == scipy.stats.mannwhitneyu(a, b).pvalue
    (turned,) = compare_groups({"m": units(a=b, b=a)})
    assert turned.effect == pytest.approx(-found.effect)
    assert turned.p == pytest.approx(found.p)


def test_p_is_that_of_all_rearrangements():
    """The exact test, counted out: how many of the divisions are at least as extreme."""
    a, b = [1.0, 4.0, 6.0], [2.0, 7.0, 8.0, 9.0]
    pooled, n = a + b, len(a)

    def u(chosen):
        rest = [v for v in pooled if v not in chosen]
        return sum(x > y for x in chosen for y in rest)

    middle = n * len(b) / 2
    all_of = [abs(u(chosen) - middle) for chosen in itertools.combinations(pooled, n)]
    share = np.mean([distance >= abs(u(a) - middle) for distance in all_of])
    (found,) = compare_groups({"m": units(a=a, b=b)})
    assert found.p == pytest.approx(share)


def test_several_groups():
    a, b, c = [1.0, 2, 3, 4, 5], [3.5, 6, 7, 8, 9], [10.0, 11, 12, 13, 14]
    (found,) = compare_groups({"m": units(a=a, b=b, c=c)})
    assert found.test == "Kruskal-Wallis H"
    assert found.p == scipy.stats.kruskal(a, b, c).pvalue
    ranks = scipy.stats.rankdata(a + b + c)
    n = len(ranks)
    between = sum(5 * (part.mean() - ranks.mean()) ** 2 for part in ranks.reshape(3, 5))
    h = 12 / (n * (n + 1)) * between
    assert found.statistic == pytest.approx(h)
    assert found.effect == pytest.approx(h / (n - 1))
    assert found.remark == ""
    (few,) = compare_groups({"m": units(a=a, b=b, c=c[:3])})
    assert few.remark == "too few units for this p to be exact: fewer than 5 in 'c'"


def test_too_few_units_are_said():
    (three,) = compare_groups({"m": units(a=[1.0, 2, 3], b=[4.0, 5, 6])})
    assert three.p == pytest.approx(0.1)
    assert three.remark.startswith("too few units: no difference between 3 and 3")
    (four,) = compare_groups({"m": units(a=[1.0, 2, 3, 4], b=[5.0, 6, 7, 8])})
    assert four.p == pytest.approx(2 / 70)
    assert four.remark == ""


@pytest.mark.parametrize(
    ("groups", "remark"),
    [
        ({"a": [1.0, 2, 3]}, "only one group"),
        ({"a": [1.0], "b": [2.0, 3]}, "not tested: fewer than two values in 'a'"),
        ({"a": [None, 1.0], "b": [2.0, 3]}, "not tested: fewer than two values in 'a'"),
        ({"a": [1.0, 1], "b": [1.0, 1]}, "not tested: all values are equal"),
    ],
)
def test_what_cannot_be_tested(groups, remark):
    (found,) = compare_groups({"m": units(**groups)})
    assert (found.p, found.p_adjusted, found.remark) == (None, None, remark)


def test_adjusted_over_all_that_was_tested():
    rng = np.random.default_rng(0)
    measures = {
        str(k): units(a=rng.normal(0, 1, 8).tolist(), b=rng.normal(0.4 * k, 1, 8).tolist())
        for k in range(6)
    }
    measures["none"] = units(a=[1.0], b=[2.0, 3.0])
    found = compare_groups(measures)
    tested = sorted((one for one in found if one.p is not None), key=lambda one: one.p)
    # Benjamini and Hochberg: the smallest of p n / rank from here on.
    n = len(tested)
    for rank, one in enumerate(tested, start=1):
        expected = min(t.p * n / r for r, t in enumerate(tested, 1) if r >= rank)
        assert one.p_adjusted == pytest.approx(min(1, expected))
    assert found[-1].p_adjusted is None
