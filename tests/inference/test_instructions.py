"""Where the CPU or the user limits instructions, the shipped model runs alike."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import numpy as np
import pytest

RUN = """
import sys
import numpy as np
from karyoscope.inference import find_bundle
from karyoscope.inference.openvino_engine import OpenVinoEngine
engine = OpenVinoEngine(find_bundle("lizard"), 1)
image = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), np.uint8)
np.savez(sys.argv[1], **engine.run(image))
print(engine.device)
"""


def run_limited_to(instructions: str, path) -> tuple[str, dict[str, np.ndarray]]:
    """Name of the engine's device, and its maps, in a process with fewer instructions."""
    environment = dict(os.environ, ONEDNN_MAX_CPU_ISA=instructions)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with np.load(path) as maps:
        return done.stdout.strip(), dict(maps)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="instructions of x86")
@pytest.mark.parametrize("instructions", ["AVX2", "AVX512_CORE"])
def test_without_bf16_the_network_runs_in_fp32(tmp_path, instructions):
    usual_device, usual = run_limited_to("DEFAULT", tmp_path / "usual.npz")
    if "bf16" not in usual_device:
        pytest.skip("this CPU has no bf16 that could be left out")
    device, maps = run_limited_to(instructions, tmp_path / "limited.npz")
    assert "bf16" not in device
    assert set(maps) == set(usual)
    for name, values in maps.items():
        assert np.abs(values - usual[name]).mean() < 0.02, name
