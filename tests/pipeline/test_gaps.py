"""What a person is told of places without nuclei."""

import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import Box, Facts
from karyoscope.pipeline.gaps import Gaps, regions


def test_a_whole_slide_has_none():
    gaps = Gaps()
    gaps.add(Facts(9.0))
    gaps.refuse_nothing()
    assert not gaps
    assert gaps.warnings() == []


def test_one_place():
    gaps = Gaps()
    gaps.add(Facts(9.0, unread={Box(256, 512, 512, 768): "damaged at 300, 600"}))
    gaps.add(Facts(9.0, unread={Box(256, 512, 512, 768): "seen again"}))
    assert gaps
    assert regions(gaps.unread) == [[256, 512, 256, 256]]
    assert gaps.warnings() == [
        "no nuclei in 1 region that cannot be read (x,y,w,h 256,512,256,256): damaged at 300, 600"
    ]


def test_many_places_make_one_short_line_from_the_top():
    gaps = Gaps()
    for y in reversed(range(20)):
        gaps.add(Facts(0.0, failed=(Box(0, y, 9, y + 1), f"no memory at {y}")))
    gaps.add(Facts(9.0))
    gaps.refuse_nothing()
    assert gaps.warnings() == [
        "no nuclei in 20 regions where the model failed twice (x,y,w,h 0,0,9,1 0,1,9,1 0,2,9,1"
        " ...): no memory at 0"
    ]


@pytest.mark.parametrize(
    "facts",
    [
        Facts(9.0, unread={Box(0, 0, 9, 9): "it is lost"}, read_any=False),
        Facts(0.0, failed=(Box(0, 0, 9, 9), "it is lost")),
    ],
)
def test_nothing_at_all_is_an_error(facts):
    gaps = Gaps()
    gaps.add(facts)
    assert not gaps.hopeless
    with pytest.raises(KaryoscopeError, match=r"^it is lost$"):
        gaps.refuse_nothing()
    assert gaps.hopeless
