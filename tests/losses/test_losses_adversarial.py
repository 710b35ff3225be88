"""Adversarial terms against their formulas in NumPy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.losses.adversarial import (  # noqa: E402
    ADVERSARIAL,
    build_adversarial,
    feature_matching,
)

REAL = np.array([[0.3, -1.2], [2.0, 0.9]])
FAKE = np.array([[-0.5, 1.4], [-2.0, 0.1]])


def _log_sigmoid(x):
    return -np.log1p(np.exp(-x))


FORMULAS = {
    "least_squares": (
        ((REAL - 1) ** 2).mean() / 2 + (FAKE**2).mean() / 2,
        ((FAKE - 1) ** 2).mean(),
    ),
    "hinge": (
        np.maximum(0, 1 - REAL).mean() / 2 + np.maximum(0, 1 + FAKE).mean() / 2,
        -FAKE.mean(),
    ),
    "cross_entropy": (
        -_log_sigmoid(REAL).mean() / 2 - _log_sigmoid(-FAKE).mean() / 2,
        -_log_sigmoid(FAKE).mean(),
    ),
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_terms_equal_their_formulas(name):
    loss = build_adversarial(name)
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    expected = FORMULAS[name]
    assert loss.discriminator(real, fake).item() == pytest.approx(expected[0], abs=1e-6)
    assert loss.generator(fake).item() == pytest.approx(expected[1], abs=1e-6)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_scales_count_alike_whatever_their_size(name):
    loss = build_adversarial(name)
    real, fake = torch.from_numpy(REAL), torch.from_numpy(FAKE)
    scales = [real, torch.zeros(1, 1)], [fake, torch.ones(1, 1)]
    parts = [loss.discriminator(r, f) for r, f in zip(*scales, strict=True)]
    assert loss.discriminator(*scales).item() == pytest.approx(sum(parts).item() / 2)
    passes = [loss.generator(f) for f in scales[1]]
    assert loss.generator(scales[1]).item() == pytest.approx(sum(passes).item() / 2)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_gradients_pull_the_two_sides_apart(name):
    """The discriminator raises real and lowers generated scores; the generator raises them."""
    loss = build_adversarial(name)
    real, fake = torch.zeros(4, requires_grad=True), torch.full((4,), 0.5, requires_grad=True)
    loss.discriminator(real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    fake.grad = None
    loss.generator(fake).backward()
    assert (fake.grad < 0).all()


def test_feature_matching_is_the_mean_over_layers_and_leaves_real_features_alone():
    real = [torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 3)]
    fake = [torch.full((1, 2), 2.0, requires_grad=True), torch.full((1, 3), -4.0)]
    value = feature_matching(real, fake)
    value.backward()
    assert value.item() == pytest.approx(3.0)
    assert real[0].grad is None
    assert (fake[0].grad > 0).all()


def test_unknown_loss_is_named():
    with pytest.raises(KaryoscopeError, match="no adversarial loss 'wasserstein'"):
        build_adversarial("wasserstein")
