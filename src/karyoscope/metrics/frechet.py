"""Fréchet distance between Gaussian fits of two sets of features.

On the pool3 features of one certain Inception-v3 this is the FID (Heusel et al. 2017); on other
features it is a distance of its own, whose values compare with nothing but themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from karyoscope.core.errors import KaryoscopeError


@dataclass(frozen=True)
class GaussianFit:
    """Mean (d,) and covariance (d, d), float64, of n vectors."""

    mean: np.ndarray
    covariance: np.ndarray
    n: int


def fit_gaussian(features: np.ndarray) -> GaussianFit:
    """Fit a Gaussian to vectors.

    Parameters
    ----------
    features : ndarray of float, shape (n, d)
        At least two rows; the covariance is divided by n - 1.

    Raises
    ------
    KaryoscopeError
        If there are fewer than two vectors, or values that are not finite.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or len(features) < 2:
        raise KaryoscopeError(f"a Gaussian needs at least two vectors, not {features.shape}")
    if not np.isfinite(features).all():
        raise KaryoscopeError("features hold values that are not finite")
    covariance = np.atleast_2d(np.cov(features, rowvar=False))
    return GaussianFit(features.mean(0), covariance, len(features))


def frechet_distance(first: GaussianFit, second: GaussianFit) -> float:
    r"""Squared Fréchet distance (Wasserstein-2) of two Gaussians.

    .. math::

        d^2 = \lVert \mu_1 - \mu_2 \rVert^2
            + \mathrm{tr}\left(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2}\right)

    (Dowson and Landau 1982). The last trace is the sum of the singular values of
    :math:`\Sigma_1^{1/2} \Sigma_2^{1/2}`, which needs no square root of an unsymmetric matrix and
    stays real and exact for singular covariances, as those of fewer vectors than dimensions are.

    Fits to few vectors are far apart even where both sets are from one distribution; compare only
    values from the same number of vectors, next to that of two sets of real ones.

    >>> one = GaussianFit(np.zeros(2), np.eye(2), 9)
    >>> frechet_distance(one, GaussianFit(np.array([3.0, 4.0]), 4 * np.eye(2), 9))
    27.0

    Raises
    ------
    KaryoscopeError
        If the two are of different dimension.
    """
    if first.mean.shape != second.mean.shape:
        raise KaryoscopeError(
            f"features of {len(first.mean)} and of {len(second.mean)} numbers do not compare"
        )
    product = _square_root(first.covariance) @ _square_root(second.covariance)
    shared = np.linalg.svd(product, compute_uv=False).sum()
    apart = np.square(first.mean - second.mean).sum()
    spread = np.trace(first.covariance) + np.trace(second.covariance) - 2 * shared
    return float(apart + max(0.0, spread))


def _square_root(covariance: np.ndarray) -> np.ndarray:
    """Symmetric square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(covariance)
    root: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root
