"""Reading goes on where a slide is damaged, and says so."""

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import Box
from karyoscope.pipeline.reading import LenientReader
from karyoscope.slides import ArraySlide

RNG = np.random.default_rng(5)
PICTURE = RNG.integers(0, 255, (900, 1100, 3)).astype(np.uint8)


class Damaged(ArraySlide):
    """A slide of which some boxes, in pixels of level 0, cannot be read."""

    def __init__(self, holes, mpp=0.5, error=KaryoscopeError):
        super().__init__(PICTURE, mpp)
        self.holes, self.error = holes, error

    def _read_level(self, level, x, y, width, height):
        for hole in self.holes:
            if not hole.shared(Box(x, y, x + width, y + height)).empty:
                raise self.error(f"damaged at {hole.left}, {hole.top}")
        return super()._read_level(level, x, y, width, height)


def test_a_sound_slide_is_read_as_it_is():
    reader = LenientReader(Damaged([]))
    np.testing.assert_array_equal(reader.read(-3, 5, 700, 800), Damaged([]).read(-3, 5, 700, 800))
    assert reader.read_any
    assert not reader.unread


@pytest.mark.parametrize("error", [KaryoscopeError, OSError])
def test_only_the_cells_that_are_damaged_are_white(error):
    reader = LenientReader(Damaged([Box(300, 600, 310, 610)], error=error))
    expected = PICTURE.copy()
    expected[512:768, 256:512] = 255
    np.testing.assert_array_equal(reader.read(0, 0, 1100, 900), expected)
    # Another window finds the same cell, of which it wants a part.
    part = reader.read(200, 580, 200, 100)
    np.testing.assert_array_equal(part, expected[580:680, 200:400])
    assert reader.unread == {Box(256, 512, 512, 768): "damaged at 300, 600"}
    assert reader.unread_in([Box(0, 0, 257, 513)], None) == reader.unread
    assert reader.unread_in([Box(0, 0, 900, 512), Box(512, 0, 900, 900)], None) == {}


def test_cells_are_reported_on_level_0_and_within_the_slide():
    reader = LenientReader(Damaged([Box(1090, 890, 1100, 900)]))
    rgb = reader.read(0, 0, 550, 450, 1.0)
    assert rgb.shape == (450, 550, 3)
    assert list(reader.unread) == [Box(1024, 512, 1100, 900)]


def test_a_slide_of_which_nothing_can_be_read():
    reader = LenientReader(Damaged([Box(0, 0, 1100, 900)]))
    assert (reader.read(0, 0, 1100, 900) == 255).all()
    assert not reader.read_any
    assert len(reader.unread) == 20


def test_other_errors_are_not_hidden():
    class Broken(Damaged):
        def _read_level(self, *window):
            raise IndexError

    with pytest.raises(IndexError):
        LenientReader(Broken([])).read(0, 0, 10, 10)
