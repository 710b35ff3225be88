"""How much longer a batch takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyoscope.cli.shared.left import TimeLeft, spoken_time


@pytest.fixture
def slides(tmp_path):
    """Four files of 100, 100, 200 and 400 bytes."""
    paths = []
    for name, size in {"a": 100, "b": 100, "c": 200, "d": 400}.items():
        paths.append(tmp_path / name)
        paths[-1].write_bytes(b"x" * size)
    return paths


def test_time_goes_by_size(slides):
    now = 0.0
    left = TimeLeft(slides, lambda: now)
    assert str(left) == "0 of 4 slides"
    now = 10.0
    left.finished(slides[0], was_run=True)
    assert left.seconds == pytest.approx(70)
    now = 20.0
    left.finished(slides[1], was_run=True)
    now = 40.0
    left.finished(slides[2], was_run=True)
    assert str(left) == "3 of 4 slides, about 40 s left"
    left.finished(slides[3], was_run=True)
    assert str(left) == "4 of 4 slides"


def test_slides_with_nothing_to_do_say_nothing(slides):
    now = 0.0
    left = TimeLeft(slides, lambda: now)
    left.finished(slides[3], was_run=False)
    assert left.seconds is None
    now = 5.0
    left.finished(slides[0], was_run=True)
    assert left.seconds == pytest.approx(15)


def test_files_that_are_not_there_yet(tmp_path):
    left = TimeLeft([tmp_path / "a", tmp_path / "b"], iter([0.0, 3.0]).__next__)
    left.finished(tmp_path / "a", was_run=True)
    assert left.seconds == pytest.approx(3)


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_more_seconds_are_never_fewer_in_words(one, other):
    units = {"s": 1, "min": 60, "h": 3600, "days": 86400}
    spoken = [spoken_time(seconds).split() for seconds in sorted((one, other))]
    first, second = (int(number) * units[unit] for number, unit in spoken)
    assert first <= second
