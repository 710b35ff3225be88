"""How cost grows with the slide: speed, share of each stage, peak memory, and no seams.

    python benchmarks/scale.py --write docs/scale.md              # the tables there
    python benchmarks/scale.py --slides 5000:0.5 --workers 1      # one small slide
    python benchmarks/scale.py --folder slides                    # keep the slides for later

Slides are made by ``make_slide.py`` and segmented by the command in a process of its own, with
the formats it writes by default. The table is Markdown. Needs the whole machine for itself.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from make_slide import MPP, block_borders, make_slide, plan_slide
from processes import run_command
from seams import find_seams

MARKS = ("<!-- scale: begin -->", "<!-- scale: end -->")
SLIDES = ("5000:0.6", "30000:0.6", "60000:0.05")


def measure(path: Path, edge: int, tissue: float, out: Path, extra: list[str]) -> dict[str, Any]:
    """Segment one slide; make it first where it is missing."""
    result: dict[str, Any] = {"edge": edge}
    if not path.exists():
        start = time.perf_counter()
        make_slide(path, edge, tissue)
        result["making_s"] = time.perf_counter() - start
    plan = plan_slide(edge, tissue, seed=0)
    command = [sys.executable, "-m", "karyoscope", "segment", str(path), "--out", str(out)]
    result |= run_command([*command, *extra])
    summary = json.loads((out / f"{path.stem}.summary.json").read_text("utf-8"))
    table = pq.read_table(out / f"{path.stem}.parquet", columns=["x", "y"])
    x, y = (np.asarray(table[name]) for name in "xy")
    return result | {
        "tissue_mpx": plan.tissue_px / 1e6,
        "analysed_mpx": summary["analysed_mm2"] / MPP**2,
        "nuclei": summary["nuclei"],
        "seconds": summary["seconds"],
        "seams": vars(find_seams(x, y, plan, block_borders(edge))),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The tables of ``docs/scale.md``."""
    stages = list(rows[0]["seconds"])
    heads = ["edge", "tissue Mpx", "analysed Mpx", "nuclei", "time s", "Mpx/s of tissue"]
    heads += ["cores busy", "peak MB", *(f"{stage} %" for stage in stages)]
    lines = [heads, ["---:"] * len(heads)]
    for row in rows:
        busy = sum(row["seconds"].values())
        lines.append(
            [
                f"{row['edge']:,}",
                f"{row['tissue_mpx']:,.0f}",
                f"{row['analysed_mpx']:,.0f}",
                f"{row['nuclei']:,}",
                f"{row['wall_s']:,.0f}",
                f"{row['tissue_mpx'] / row['wall_s']:.2f}",
                f"{row['cpu_s'] / row['wall_s']:.2f}",
                f"{row['peak_mb']:,.0f}",
                *(f"{100 * row['seconds'][stage] / busy:.0f}" for stage in stages),
            ]
        )
    heads = ["edge", "strips on borders", "nuclei in them", "expected", "ratio", "z"]
    lines += [[], heads, ["---:"] * len(heads)]
    for row in rows:
        seams = row["seams"]
        lines.append(
            [
                f"{row['edge']:,}",
                f"{seams['strips']:,}",
                f"{seams['nuclei']:,}",
                f"{seams['expected']:,.0f}",
                f"{seams['nuclei'] / seams['expected']:.3f} ± {seams['error']:.3f}",
                f"{seams['z']:+.1f}",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" if line else "" for line in lines)


def describe_machine() -> str:
    """Return what the figures were measured on, before anything is run."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        if line.startswith("model name")
    ]
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return (
        f"{datetime.date.today():%Y-%m-%d}, {names[0] if names else 'unknown CPU'}, {cores} cores,"
        f" of which other work kept {min(load, cores):.1f} busy just before."
    )


def write_into(page: Path, tables: str) -> None:
    """Put the tables between the marks of a page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise SystemExit(f"{page} has no place for the tables: {' ... '.join(MARKS)}")
    page.write_text(f"{before}{begin}\n{tables}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slides", nargs="+", default=SLIDES, help="EDGE:SHARE of tissue")
    parser.add_argument("--workers", type=int, default=0, help="of the command")
    parser.add_argument("--folder", type=Path, help="where slides are kept")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--write", type=Path, help="a page that has a place for the tables")
    arguments = parser.parse_args()
    machine = describe_machine()
    rows = []
    for slide in arguments.slides:
        edge, _, share = slide.partition(":")
        with ExitStack() as stack:
            temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            folder = arguments.folder or temporary
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"tissue-{edge}-{share}.svs"
            extra = ["--workers", str(arguments.workers)]
            rows.append(measure(path, int(edge), float(share), temporary / "out", extra))
        print(json.dumps(rows[-1]), file=sys.stderr)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))
    tables = f"{machine}\n\n{markdown(rows)}"
    print(tables)
    if arguments.write:
        write_into(arguments.write, tables)


if __name__ == "__main__":
    main()
