"""The Fréchet distance against closed forms and against its formula as written."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from karyoscope.core.errors import KaryoscopeError
from karyoscope.metrics.frechet import GaussianFit, fit_gaussian, frechet_distance


def gaussian(mean, covariance):
    return GaussianFit(np.asarray(mean, float), np.asarray(covariance, float), 100)


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_one_dimension(seed):
    """(m1 - m2)^2 + (s1 - s2)^2."""
    m1, m2 = np.random.default_rng(seed).normal(size=2)
    s1, s2 = np.random.default_rng(seed + 1).uniform(0, 3, 2)
    found = frechet_distance(gaussian([m1], [[s1**2]]), gaussian([m2], [[s2**2]]))
    assert found == pytest.approx((m1 - m2) ** 2 + (s1 - s2) ** 2, abs=1e-9)


@given(st.integers(0, 10**6), st.integers(2, 7))
@settings(max_examples=30, deadline=None)
def test_covariances_with_the_same_axes(seed, d):
    """Commuting covariances: the difference of the standard deviations along each axis."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
    s1, s2 = rng.uniform(0, 3, (2, d))
    m1, m2 = rng.normal(size=(2, d))
    fits = [gaussian(m, (axes * s**2) @ axes.T) for m, s in ((m1, s1), (m2, s2))]
    expected = ((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum()
    assert frechet_distance(*fits) == pytest.approx(expected, abs=1e-8)


def test_equals_the_formula_with_a_matrix_square_root():
    rng = np.random.default_rng(3)
    first, second = (fit_gaussian(rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))) for _ in "ab")
    root = linalg.sqrtm(first.covariance @ second.covariance).real
    expected = np.square(first.mean - second.mean).sum() + np.trace(
        first.covariance + second.covariance - 2 * root
    )
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 10**6), st.integers(2, 12))
@settings(max_examples=30, deadline=None)
def test_is_symmetric_zero_for_equals_and_blind_to_rotation(seed, n):
    """Also where there are fewer vectors than dimensions."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 5)), rng.normal(1, 2, (n, 5))
    turned = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    distance = frechet_distance(fit_gaussian(x), fit_gaussian(y))
    assert distance >= 0
    assert frechet_distance(fit_gaussian(y), fit_gaussian(x)) == pytest.approx(distance)
    assert frechet_distance(fit_gaussian(x), fit_gaussian(x)) == pytest.approx(0, abs=1e-9)
    again = frechet_distance(fit_gaussian(x @ turned), fit_gaussian(y @ turned))
    assert again == pytest.approx(distance, rel=1e-6)


def test_fit_is_the_mean_and_the_unbiased_covariance():
    x = np.random.default_rng(0).normal(size=(9, 3))
    fit = fit_gaussian(x.astype(np.float32))
    centred = x - x.mean(0)
    assert np.allclose(fit.covariance, centred.T @ centred / 8, atol=1e-6)
    assert np.allclose(fit.mean, x.mean(0), atol=1e-6)
    assert fit.n == 9


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(KaryoscopeError, match="at least two vectors"):
        fit_gaussian(np.zeros((1, 4)))
    with pytest.raises(KaryoscopeError, match="not finite"):
        fit_gaussian(np.full((3, 2), np.nan))
    with pytest.raises(KaryoscopeError, match="2 and of 3 numbers"):
        frechet_distance(fit_gaussian(np.eye(2)), fit_gaussian(np.eye(3)))
