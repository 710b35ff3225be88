"""What the first run has to compile: every kernel once, and said once."""

from __future__ import annotations

import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from karyoscope.core.kernels import when_compiling

COLD = """
import sys
from numba import types
from numba.core import event
from karyoscope.inference import find_bundle
from karyoscope.pipeline import FORMATS
from karyoscope.pipeline.prepare import warm_up
from karyoscope.pipeline.second_compiler import SecondCompiler

SecondCompiler.start = lambda self: None  # all in this process
compiled = []

class Compiled(event.Listener):
    def on_start(self, event):
        compiled.append((event.data["dispatcher"].py_func, event.data["args"]))

    def on_end(self, event):
        pass

event.register("numba:compile", Compiled())
warm_up(find_bundle("lizard"), FORMATS).join()
ours = [(f, a) for f, a in compiled if f.__module__.startswith("karyoscope.")]
for function, arguments in ours:
    print(function.__name__, any(isinstance(a, types.Literal) for a in arguments))
"""


@pytest.mark.slow
def test_no_kernel_is_compiled_for_a_literal(tmp_path):
    """For each literal argument numba compiles a function, and what it calls, once more."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    run = [sys.executable, "-c", COLD]
    done = subprocess.run(run, capture_output=True, text=True, check=True, env=environment)
    compiled = [line.split() for line in done.stdout.splitlines()]
    assert {"_push", "_clear", "_encode", "_span"} <= {name for name, _ in compiled}
    assert [name for name, literal in compiled if literal == "True"] == []


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
