"""A folder in which a case of benchmarks/cases.py runs the program, with limits, and its end."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CASES = ROOT.parent / "shared" / "cases"
EXAMPLE = ROOT / "examples" / "CMU-1-Small-Region.svs"
PROGRAM = "from karyoscope.cli import main; main()"
SECONDS, MOST_BYTES = 300, 6 << 30
"""A run may take so long, also on a machine that others use, and so much address space at once."""


class Skipped(Exception):
    """The case needs what this machine lacks."""


@dataclass
class Ended:
    """How a command ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The first line that the program printed on stderr."""
        lines = [line for line in self.err.splitlines() if line.startswith("karyoscope:")]
        return lines[0] if lines else ""


class Bench:
    """A folder for one case, with the command line as a program of its own beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "bin" / "karyoscope"
        self.program.parent.mkdir()
        self.program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{PROGRAM}" "$@"\n')
        self.program.chmod(0o755)
        path = f"{self.program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "K": str(self.program)}

    def call(self, *command: object, limit: int | None = None) -> Ended:
        """Run a program, within the time and, where given, the memory."""

        def confine() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

        done = subprocess.run(
            [str(part) for part in command],
            cwd=CASES,
            env=self.environment,
            capture_output=True,
            timeout=SECONDS,
            preexec_fn=confine,
            check=False,
        )
        return Ended(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )

    def make(self, script: str, *arguments: object) -> Ended:
        """Let a generator write its input, or try what it tries."""
        runner = "bash" if script.endswith(".sh") else sys.executable
        ended = self.call(runner, CASES / script, *arguments)
        require(ended.code == 0, f"{script} failed: {ended.err[-300:]}")
        return ended

    def segment(self, source: Path, *options: object, out: str = "out") -> Ended:
        """Segment with the shipped model."""
        given = ["segment", source, "--out", self.folder / out, "--format", "csv", *options]
        ended = self.call(self.program, *given)
        require("Traceback" not in ended.err, ended.err)
        return ended

    def summary(self, out: str = "out") -> dict:
        """The only summary of a folder of results."""
        (path,) = (self.folder / out).glob("*.summary.json")
        return json.loads(path.read_text("utf-8"))


def require(holds: bool, seen: str) -> None:
    if not holds:
        raise AssertionError(seen)


def near(value: float, wanted: float, share: float) -> bool:
    return abs(value - wanted) <= share * wanted
