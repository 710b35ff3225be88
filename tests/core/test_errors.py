"""Messages speak of the interface that was called."""

import numpy as np
import pytest

import karyoscope
from karyoscope.core import errors
from karyoscope.core.errors import KaryoscopeError

PIXELS = np.full((64, 64, 3), 200, np.uint8)


@pytest.mark.parametrize(
    ("message", "called"),
    [
        ("give it with --mpp (µm per pixel)", "give it with mpp (µm per pixel)"),
        ("a.csv exists; use --overwrite", "a.csv exists; use overwrite=True"),
        ("--workers 7: too many", "threads 7: too many"),
        ("a--b.svs is damaged", "a--b.svs is damaged"),
    ],
)
def test_options_are_arguments_where_a_function_was_called(monkeypatch, message, called):
    assert str(KaryoscopeError(message)) == message
    monkeypatch.setattr(errors, "spoken_to", "Python")
    assert str(KaryoscopeError(message)) == called


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((PIXELS, "0.5"), r"mpp='0\.5' is not a number"),
        ((PIXELS, True), "mpp=True is not a number"),
        ((PIXELS.tolist(), 0.5), r"a Pillow image or an xarray\.DataArray, not list"),
        ((None, 0.5), r"a Pillow image or an xarray\.DataArray, not NoneType"),
        ((PIXELS,), r"give it with mpp \("),
    ],
)
def test_arguments_of_a_wrong_kind(monkeypatch, arguments, said):
    monkeypatch.setattr(errors, "spoken_to", "Python")
    with pytest.raises(KaryoscopeError, match=said):
        karyoscope.segment(*arguments)


@pytest.mark.parametrize("roi", [(float("nan"),) * 4, (0, 0, 9), "0,0,9,9", 3, (0, 0, -1, 5)])
def test_regions_of_a_wrong_kind(roi):
    with pytest.raises(KaryoscopeError, match="is not \\(x, y, width, height\\)"):
        karyoscope.segment(PIXELS, 0.5, roi=roi)


@pytest.mark.parametrize("threads", [10**14, -1, 1.5])
def test_threads_that_no_machine_has(threads):
    with pytest.raises(KaryoscopeError, match=r"from 0 \(all\) to 1024"):
        karyoscope.segment(PIXELS, 0.5, threads=threads)
