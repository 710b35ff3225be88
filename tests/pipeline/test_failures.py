"""What is reported of regions without nuclei."""

import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import BlockReport, Box
from karyoscope.pipeline.runs.failures import Failures, regions


def test_a_whole_slide_has_none():
    failures = Failures()
    failures.add(BlockReport(9.0))
    failures.raise_if_all_failed()
    assert not failures
    assert failures.warnings() == []


def test_one_place():
    failures = Failures()
    failures.add(BlockReport(9.0, unread={Box(256, 512, 512, 768): "damaged at 300, 600"}))
    failures.add(BlockReport(9.0, unread={Box(256, 512, 512, 768): "seen again"}))
    assert failures
    assert regions(failures.unread) == [[256, 512, 256, 256]]
    assert failures.warnings() == [
        "no nuclei in 1 region that cannot be read (x,y,w,h 256,512,256,256): damaged at 300, 600"
    ]


def test_many_places_make_one_short_line_from_the_top():
    failures = Failures()
    for y in reversed(range(20)):
        failures.add(BlockReport(0.0, failed=(Box(0, y, 9, y + 1), f"no memory at {y}")))
    failures.add(BlockReport(9.0))
    failures.raise_if_all_failed()
    assert failures.warnings() == [
        "no nuclei in 20 regions where the model failed twice (x,y,w,h 0,0,9,1 0,1,9,1 0,2,9,1"
        " ...): no memory at 0"
    ]


@pytest.mark.parametrize(
    "report",
    [
        BlockReport(9.0, unread={Box(0, 0, 9, 9): "it is lost"}, read_any=False),
        BlockReport(0.0, failed=(Box(0, 0, 9, 9), "it is lost")),
    ],
)
def test_nothing_at_all_is_an_error(report):
    failures = Failures()
    failures.add(report)
    assert not failures.all_failed
    with pytest.raises(KaryoscopeError, match=r"^it is lost$"):
        failures.raise_if_all_failed()
    assert failures.all_failed
