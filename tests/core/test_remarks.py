"""Warnings reach who listens, whatever other threads do to Python's."""

import threading
import warnings

import pytest

from karyoscope.core.remarks import listening, warn


def test_without_a_listener_it_is_a_warning_of_the_caller():
    with pytest.warns(UserWarning, match="one word") as caught:
        warn("one word")
    assert caught[0].filename == __file__


def test_the_latest_listener_hears():
    outer, inner = [], []
    with listening(outer.append):
        with listening(inner.append):
            warn("a")
        warn("b")
    assert (outer, inner) == (["b"], ["a"])


def test_a_thread_that_ignores_warnings_takes_none_away():
    """As numba does while it compiles."""
    heard, ignoring, ended = [], threading.Event(), threading.Event()

    def compiler():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ignoring.set()
            ended.wait()

    thread = threading.Thread(target=compiler)
    thread.start()
    ignoring.wait()
    with listening(heard.append):
        warn("scale assumed")
    ended.set()
    thread.join()
    assert heard == ["scale assumed"]
