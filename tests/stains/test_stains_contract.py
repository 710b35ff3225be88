"""What every registered normaliser does."""

import json

import numpy as np
import pytest
from stained_images import stained

from karyoscope.core.errors import KaryoscopeError
from karyoscope.stains import NORMALISERS, build_normaliser

TARGET = stained(seed=1, strength=(0.8, 1.2))
IMAGES = {
    "tissue": stained(seed=2),
    "blank": np.full((40, 50, 3), 243, np.uint8),
    "white": np.full((40, 50, 3), 255, np.uint8),
    "black": np.zeros((40, 50, 3), np.uint8),
    "grey": np.repeat(np.random.default_rng(0).integers(0, 256, (40, 50, 1), np.uint8), 3, 2),
    "one pixel": np.array([[[90, 40, 130]]], np.uint8),
    "noise": np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8),
}


def built(name):
    return build_normaliser(name, TARGET if NORMALISERS[name].targeted else None)


@pytest.mark.parametrize("name", NORMALISERS)
class TestContract:
    @pytest.mark.parametrize("image", IMAGES)
    def test_any_image_gives_an_image(self, name, image):
        rgb = IMAGES[image]
        before = rgb.copy()
        result = built(name).fit(rgb.reshape(-1, 3))(rgb)
        assert result.shape == rgb.shape
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(rgb, before)
        assert result is not rgb

    def test_it_repeats(self, name):
        rgb = IMAGES["tissue"]
        first, again = (built(name).fit(rgb.reshape(-1, 3))(rgb) for _ in range(2))
        np.testing.assert_array_equal(first, again)

    def test_a_window_is_part_of_the_whole(self, name):
        """As long as it begins on the lattice and has the context that is asked for."""
        rgb = stained(seed=3, size=200)
        change = built(name).fit(rgb.reshape(-1, 3))
        whole = change(rgb)
        edge, context = change.align, change.context
        left = 2 * edge
        for right in (5 * edge, 200):
            part = change(np.ascontiguousarray(rgb[left:right, left:right]))
            inner = slice(context, None if right == 200 else -context or None)
            np.testing.assert_array_equal(
                part[inner, inner], whole[left:right, left:right][inner, inner]
            )

    def test_it_describes_itself_in_plain_data(self, name):
        said = built(name).describe()
        assert json.loads(json.dumps(said)) == said == built(name).describe()

    def test_targets_are_wanted_or_not(self, name):
        wrong = None if NORMALISERS[name].targeted else TARGET
        with pytest.raises(KaryoscopeError, match=f"{name} (needs a|takes no) target image"):
            build_normaliser(name, wrong)


@pytest.mark.parametrize("name", [n for n, kind in NORMALISERS.items() if kind.targeted])
class TestTargeted:
    def test_a_slide_brought_to_itself_stays(self, name):
        rgb = IMAGES["tissue"]
        change = build_normaliser(name, rgb).fit(rgb.reshape(-1, 3))
        once = change(rgb)
        assert np.abs(once.astype(int) - rgb).max() <= 1
        np.testing.assert_array_equal(change(once), once)

    @pytest.mark.parametrize("image", ["blank", "white", "one pixel"])
    def test_a_slide_without_tissue_is_left_as_it_is(self, name, image):
        rgb = IMAGES["tissue"]
        result = built(name).fit(IMAGES[image].reshape(-1, 3))(rgb)
        assert np.abs(result.astype(int) - rgb).max() <= 1

    def test_twice_is_as_good_as_once(self, name):
        rgb = stained((0.6, 0.65, 0.4), (0.1, 0.9, 0.3), (0.6, 0.7), seed=5)
        normaliser = build_normaliser(name, stained(seed=1, strength=(0.7, 0.8)))
        once = normaliser.fit(rgb.reshape(-1, 3))(rgb)
        twice = normaliser.fit(once.reshape(-1, 3))(once)
        # Not nothing: colours that no pixel can have were cut off.
        first, second = (np.abs(b.astype(int) - a).mean() for a, b in ((rgb, once), (once, twice)))
        assert second < first / 3

    @pytest.mark.parametrize("image", ["blank", "white", "one pixel"])
    def test_a_target_without_tissue_is_refused(self, name, image):
        with pytest.raises(KaryoscopeError, match=r"the target.* shows no"):
            build_normaliser(name, IMAGES[image])


def test_an_unknown_name_is_named():
    with pytest.raises(KaryoscopeError, match="no stain normaliser 'vahadane'; there are clahe"):
        build_normaliser("vahadane")
