"""Views and their inversions: exact on maps that say where each pixel is and points to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.inference import tta
from karyoscope.inference.stain_jitter import change_stains, stain_gains
from karyoscope.inference.tta import VIEWS, average_over_views


def shared_maps(image: np.ndarray) -> dict[str, np.ndarray]:
    """What a network that has learnt its task says of any view of an image.

    Red is the value of the pixel; green marks one pixel, the target, to which all vectors point.
    """
    target = np.argwhere(image[0, ..., 1] == 255)[0]
    y, x = np.mgrid[: image.shape[1], : image.shape[2]]
    to_target = np.stack([target[1] - x, target[0] - y], -1).astype(np.float32)
    red = image[..., 0].astype(np.float32)
    half = red.reshape(1, red.shape[1] // 2, 2, red.shape[2] // 2, 2).mean((2, 4))
    return {
        "inside": red,
        "tp": np.stack([half, 255 - half], -1),
        "centre": to_target[None],
        "hv": to_target[None] / 64,
    }


@pytest.mark.parametrize("views", VIEWS)
@settings(max_examples=10, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_views_agree(views, rows, columns, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (2 * rows, 2 * columns, 3)).astype(np.uint8)
    image[..., 1] = 0
    image[rng.integers(2 * rows), rng.integers(2 * columns), 1] = 255
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tta, "change_stains", lambda image, gain: image)
        found = average_over_views(shared_maps, image, views)
    for name, expected in shared_maps(image[None]).items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected[0], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("views", VIEWS)
def test_each_view_is_another_one(views):
    image = np.arange(3 * 4 * 6, dtype=np.uint8).reshape(4, 6, 3)
    seen = []

    def run(images):
        assert images.shape[0] == 1
        assert images.flags.c_contiguous
        seen.append(images[0].tobytes() + bytes(images.shape[1:2]))
        return {"inside": np.zeros(images.shape[:3], np.float32)}

    average_over_views(run, image, views)
    assert len(seen) == len(set(seen)) == views


def test_the_mean_of_views_that_differ():
    values = iter([1.0, 2.0, 3.0, 6.0])

    def run(images):
        return {"inside": np.full(images.shape[:3], next(values), np.float32)}

    found = average_over_views(run, np.zeros((2, 4, 3), np.uint8), 4)
    assert (found["inside"] == 3).all()


def test_vectors_of_one_view():
    """A vector to the right, seen in a mirror, points to the left."""
    turned = []

    def run(images):
        turned.append(images)
        return {"centre": np.full((*images.shape[:3], 2), (1, 0), np.float32)}

    found = average_over_views(run, np.zeros((4, 4, 3), np.uint8), 2)
    assert (found["centre"] == 0).all(), "right and left cancel"
    found = average_over_views(run, np.zeros((4, 4, 3), np.uint8), 8)
    assert (found["centre"] == 0).all()


def test_the_passes_of_sixteen_are_numbered_and_others_are_not():
    numbers = []

    def run(images):
        return {"inside": np.ones(images.shape[:3], np.float32)}

    def random_run(images, number):
        numbers.append(number)
        return run(images)

    average_over_views(run, np.zeros((4, 4, 3), np.uint8), 8, random_run)
    assert numbers == []
    average_over_views(run, np.zeros((4, 4, 3), np.uint8), 16, random_run)
    assert numbers == list(range(16))


def test_stains_vary_by_a_tenth_around_the_slides_own():
    gains = stain_gains(16)
    assert gains.shape == (16, 3)
    assert np.abs(gains - 1).max() <= 0.1
    np.testing.assert_allclose(gains.mean(0), 1)
    assert len(np.unique(gains, axis=0)) == 16
    np.testing.assert_array_equal(gains, stain_gains(16))


def test_change_of_stains_follows_beer_and_lambert():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (31, 17, 3), np.uint8)
    np.testing.assert_array_equal(change_stains(image, np.ones(3)), image)
    white = np.full((2, 2, 3), 255, np.uint8)
    np.testing.assert_array_equal(change_stains(white, np.array([1.1, 0.9, 1])), white)
    # The colour of haematoxylin alone, of density 1: its light falls by a tenth of its density.
    stain = np.array([0.65, 0.70, 0.29]) / np.linalg.norm([0.65, 0.70, 0.29])
    before, after = (256 * np.exp(-amount * stain) - 1 for amount in (1.0, 1.1))
    pixel = np.rint(before)[None, None].astype(np.uint8)
    found = change_stains(pixel, np.array([1.1, 1, 1]))[0, 0]
    assert np.abs(found - after).max() <= 1.5


def test_stains_change_each_pixel_by_itself():
    image = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    gain = stain_gains(16)[3]
    whole = change_stains(image, gain)
    np.testing.assert_array_equal(change_stains(image[7:23, 11:12], gain), whole[7:23, 11:12])
