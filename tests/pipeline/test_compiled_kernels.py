"""What the first run has to compile: every kernel once, and said once."""

from __future__ import annotations

import sys

import numba
import numpy as np
import pytest
from numba import types
from numba.core.dispatcher import Dispatcher

from karyoscope.core.kernels import when_compiling
from karyoscope.inference import find_bundle
from karyoscope.pipeline import FORMATS
from karyoscope.pipeline.prepare import warm_up


def kernels() -> dict[str, Dispatcher]:
    """Every compiled function of the package, by its name."""
    return {
        f"{module}.{name}": value
        for module, loaded in list(sys.modules.items())
        if module.startswith("karyoscope.")
        for name, value in vars(loaded).items()
        if isinstance(value, Dispatcher) and value.py_func.__module__ == module
    }


@pytest.mark.slow
def test_no_kernel_is_compiled_for_a_literal():
    """For each literal argument numba compiles a function, and what it calls, once more."""
    warm_up(find_bundle("lizard"), FORMATS).join()
    # Anew, since what comes from the cache does not name what it calls; and then what those call.
    done: set[str] = set()
    while new := {name for name, kernel in kernels().items() if kernel.signatures} - done:
        for name in new:
            numba.njit(kernels()[name].py_func).compile(kernels()[name].signatures[0])
        done |= new
    signatures = {name: kernel.signatures for name, kernel in kernels().items()}
    assert all(signatures[f"karyoscope.postprocessing.flooding.{n}"] for n in ("_push", "_clear"))
    literal = {
        name: signature
        for name, found in signatures.items()
        for signature in found
        if any(isinstance(argument, types.Literal) for argument in signature)
    }
    assert literal == {}


def test_compiling_is_said_once():
    said = []

    @numba.njit  # without a cache, from which a second run of this test would take it
    def double(values):
        return values * 2

    with when_compiling(lambda: said.append("compiling")):
        assert said == []
        double(np.ones(3))
        double(np.ones(3))
        double(np.ones(3, np.int64))
    assert said == ["compiling"]
    double(np.ones(3, np.float32))
    assert said == ["compiling"]
