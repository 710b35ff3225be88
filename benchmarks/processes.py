"""Time and memory of a command, measured by a small process that starts it.

On Linux, the peak memory that the system reports for a process is at least the memory of the one
that started it, even after the command has taken its place. A benchmark that has loaded a model
itself would therefore report its own memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
nowhere = subprocess.DEVNULL
code = subprocess.call(sys.argv[1:], stdin=nowhere, stdout=nowhere, stderr=nowhere)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({
    "code": code,
    "wall_s": time.perf_counter() - start,
    "cpu_s": usage.ru_utime + usage.ru_stime,
    "peak_mb": usage.ru_maxrss / 1024,
}))
"""


def run_command(
    command: Sequence[str], cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Wall and processor seconds and peak memory (MB) of a command."""
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *command],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    if found.pop("code"):
        raise SystemExit(f"{' '.join(command)} failed")
    return found
