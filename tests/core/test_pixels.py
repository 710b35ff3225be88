"""Depth, alpha and orientation: laws that hold for every reader."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyoscope.core.pixels import (
    DEPTHS,
    alpha_remark,
    depth_remark,
    orientation_remark,
    to_rgb,
    white_point,
)


def stored(eight: np.ndarray, bits: int) -> np.ndarray:
    """The same picture as a camera of some bits stores it in 16."""
    return np.rint(eight * (((1 << bits) - 1) / 255)).astype(np.uint16)


@given(st.integers(0, 2**32 - 1), st.sampled_from(DEPTHS))
def test_a_picture_is_the_same_at_every_depth(seed, bits):
    random = np.random.default_rng(seed)
    picture = random.integers(20, 256, (30, 40, 3)).astype(np.uint8)
    samples = stored(picture, bits)
    white = white_point([samples[:15], samples[15:]])
    assert white == (1 << bits) - 1
    assert np.array_equal(to_rgb(samples, white=white), picture)


@given(st.integers(0, 2**32 - 1), st.sampled_from(DEPTHS), st.floats(0, 0.99))
def test_black_padding_does_not_move_the_white_point(seed, bits, share):
    random = np.random.default_rng(seed)
    samples = stored(random.integers(100, 256, (50, 50)).astype(np.uint8), bits)
    padding = np.zeros(int(samples.size * share / (1 - share)), np.uint16)
    assert white_point([padding, samples]) == (1 << bits) - 1


def test_a_few_hot_pixels_do_not_move_it():
    samples = stored(np.full((100, 100), 240, np.uint8), 12)
    samples[3, :9] = 65535
    assert white_point([samples]) == 4095


def test_all_black_is_black():
    samples = np.zeros((3, 4), np.uint16)
    assert white_point([samples]) == 65535
    assert not to_rgb(samples, white=65535).any()


def test_the_full_range_is_rounded():
    samples = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.rint(samples / 257).astype(np.uint8)
    assert np.array_equal(to_rgb(samples)[..., 0], expected)


def test_a_channel_that_is_not_alpha_is_left_out():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 4)).astype(np.uint8)
    assert np.array_equal(to_rgb(pixels, alpha=False), pixels[..., :3])
    assert not np.array_equal(to_rgb(pixels, alpha=True), pixels[..., :3])


def test_alpha_has_the_depth_of_its_container():
    pixels = np.full((2, 2, 4), 4095, np.uint16)
    pixels[..., 3] = 65535
    pixels[0, 0] = 0
    seen = to_rgb(pixels, white=4095)
    assert (seen == 255).all()


@pytest.mark.parametrize("value", [2, 3, 4, 5, 6, 7, 8])
def test_orientations_are_named(value):
    assert f"tag is {value} " in orientation_remark(value)


@pytest.mark.parametrize("value", [1, 0, 9, None, "6", 6.5])
def test_what_is_upright_or_no_orientation_has_no_remark(value):
    assert orientation_remark(value) == ""


def test_remarks_only_where_there_is_something_to_say():
    assert depth_remark(65535) == alpha_remark(0.5) == ""
    assert "14 bits" in depth_remark(16383)
    assert "80 %" in alpha_remark(0.8)
