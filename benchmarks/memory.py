"""Where the memory of a run goes: resident memory after each step, and its peak until then.

    python benchmarks/memory.py                              # the shipped slide
    python benchmarks/memory.py 5000.svs 60000.svs --markdown

Each slide is segmented in a process of its own, as by ``karyoscope segment`` with the default
formats, with kernels from the cache. After each step, the kernel of the system (Linux) is asked for
the resident memory and for its peak since the step before. The network is compiled by another
thread while tissue and faults are looked for, so its memory is in these steps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SLIDE = Path(__file__).parents[1] / "examples" / "CMU-1-Small-Region.svs"


class Steps:
    """Resident memory (MB) after each step, and the peak during it; repeated steps are one."""

    def __init__(self) -> None:
        self.rows: dict[str, list[float]] = {}

    def note(self, step: str) -> None:
        """End a step."""
        status = Path("/proc/self/status").read_text("utf-8")
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        now, peak = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        row = self.rows.setdefault(step, [0.0, 0.0])
        row[:] = now, max(row[1], peak)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew

    def watch(self, owner: Any, name: str, step: str) -> None:
        """Note the end of each call of a function of a module or class."""
        function: Callable[..., Any] = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            self.note("other")
            try:
                return function(*arguments, **options)
            finally:
                self.note(step)

        setattr(owner, name, watched)


def run(slide: Path) -> dict[str, list[float]]:
    """Segment a slide in this process."""
    steps = Steps()
    steps.note("start")
    from karyoscope.core.process import limit_arenas

    limit_arenas()
    from karyoscope.formats import Writers
    from karyoscope.pipeline import FORMATS, SegmentOptions, prepare_model, segment_file, to_files

    steps.note("imports")
    model = prepare_model("lizard", "cpu", formats=FORMATS)
    steps.note("model loaded")
    steps.watch(to_files, "with_tissue", "tissue")
    steps.watch(to_files, "quality_of", "quality control")
    steps.watch(to_files, "_write", "blocks, and the ends of their files")
    steps.watch(Writers, "report", "overlay and summary")
    with tempfile.TemporaryDirectory() as out:
        segment_file(slide, out, model, SegmentOptions(FORMATS))
    steps.note("end")
    return steps.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("slides", nargs="*", type=Path, default=[SLIDE])
    parser.add_argument("--markdown", action="store_true", help="a table for docs/scale.md")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(run(arguments.slides[0])))
        return
    found = {}
    for slide in arguments.slides:
        command = [sys.executable, __file__, str(slide), "--here"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[slide.stem] = json.loads(done.stdout.splitlines()[-1])
    if arguments.markdown:
        print("| resident (peak) after | " + " | ".join(found) + " |")
        print("| --- |" + " ---: |" * len(found))
    steps = list(dict.fromkeys(step for rows in found.values() for step in rows))
    for step in steps:
        cells = ["{:.0f} ({:.0f})".format(*rows.get(step, (0, 0))) for rows in found.values()]
        print("| " + " | ".join([step, *cells]) + " |")
    peaks = [f"{max(peak for _, peak in rows.values()):.0f}" for rows in found.values()]
    print("| " + " | ".join(["peak", *peaks]) + " |")


if __name__ == "__main__":
    main()
