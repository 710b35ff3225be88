"""The main job end to end: seconds per Mpx of each stage, start-up, peak memory; a peer beside it.

    python benchmarks/segment.py                               # the shipped slide
    python benchmarks/segment.py --peer instanseg.pt           # and InstanSeg on the same pixels
    python benchmarks/segment.py --slide other.svs --repeat 9

Each figure is printed with its median, least and most, and appended to ``benchmarks/history.csv``.
In the same run, ``machine.py`` measures what the machine can do, and the share of it that the
network reaches is printed beside: operations of its convolutions a second of processor time, by
those of one convolution in eight bits.

The peer is InstanSeg ``brightfield_nuclei`` 0.1.1 as TorchScript (Goldsborough et al. 2024),
which needs torch; it outlines nuclei and does not classify them. Machines are noisy, and seconds
of the clock mean little where others work beside: trust ratios and processor time (``cpu``).
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from karyoscope.inference import load_model
from karyoscope.pipeline import SegmentOptions, segment_file
from karyoscope.slides import open_slide
from machine import cpu_seconds, operations_per_pixel, peaks
from processes import run_command

ROOT = Path(__file__).parents[1]
SLIDE = ROOT / "examples" / "CMU-1-Small-Region.svs"
HISTORY = Path(__file__).with_name("history.csv")

Spread = tuple[float, float, float]
"""Median, least and most."""


def spread(values: list[float]) -> Spread:
    return statistics.median(values), min(values), max(values)


def measure_stages(slide: Path, repeat: int, workers: int) -> dict[str, Spread]:
    """Busy seconds per Mpx of each stage, and of the whole; a first run is not counted."""
    model = load_model(threads=workers)
    with open_slide(slide) as opened:
        grid = opened.grid(model.mpp)
        mpx = grid.width * grid.height / 1e6
    rows = []
    for _ in range(repeat + 1):
        with tempfile.TemporaryDirectory() as out:
            start, busy = time.perf_counter(), time.process_time()
            summary = segment_file(slide, Path(out), model, options=SegmentOptions(overwrite=True))
            taken = {"cpu": time.process_time() - busy, "wall": time.perf_counter() - start}
        rows.append({stage: s / mpx for stage, s in (summary["seconds"] | taken).items()})
    return {name: spread([row[name] for row in rows[1:]]) for name in rows[0]}


def measure_network(repeat: int, best: float) -> dict[str, Spread]:
    """Processor seconds per Mpx of the network on one thread, and its share of the best rate."""
    model = load_model(threads=1)
    window = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    model.expect(*window.shape[:2], 1 + repeat + 1)
    mpx = window.shape[0] * window.shape[1] / 1e6
    seconds = [s / mpx for s in cpu_seconds(lambda: model.predict(window), repeat + 1)]
    giga = operations_per_pixel(model.bundle.read_graph()) / 1e3
    return {
        "network cpu": spread(seconds),
        "network, % of int8": spread([100 * giga / s / best for s in seconds]),
    }


def measure_process(slide: Path, workers: int, repeat: int) -> dict[str, Spread]:
    """Wall and processor seconds and peak memory (MB) of the command, caches warm.

    Python's compiled files are kept, as they are in an installation; a first run is not counted.
    """
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
        karyoscope = [sys.executable, "-m", "karyoscope"]
        for run in range(repeat + 1):
            out = ["--out", f"{folder}/{run}", "--workers", str(workers)]
            segment = run_command([*karyoscope, "segment", str(slide), *out], ROOT, environment)
            models = run_command([*karyoscope, "models"], ROOT, environment)
            runs.append(
                {
                    "process_s": segment["wall_s"],
                    "process_cpu_s": segment["cpu_s"],
                    "peak_mb": segment["peak_mb"],
                    "models_s": models["wall_s"],
                }
            )
    return {name: spread([run[name] for run in runs[1:]]) for name in runs[0]}


def measure_peer(slide: Path, weights: Path, repeat: int) -> Spread:
    """Seconds per Mpx of InstanSeg on the slide's central 1000 x 1000 px at 0.5 µm/px."""
    import torch

    model = torch.jit.load(weights, map_location="cpu").eval()
    with open_slide(slide) as opened:
        grid = opened.grid(0.5)
        x, y = (max(0, (edge - 1000) // 2) for edge in (grid.width, grid.height))
        rgb = opened.read(x, y, 1000, 1000, 0.5).astype(np.float32)
    low, high = np.percentile(rgb, (0.1, 99.9), axis=(0, 1))
    normalised = ((rgb - low) / (high - low + 1e-6)).astype(np.float32).transpose(2, 0, 1)[None]
    times = []
    for _ in range(repeat + 1):
        tensor = torch.from_numpy(normalised.copy())  # the call changes its input
        start = time.perf_counter()
        with torch.no_grad():
            model(tensor)
        times.append(time.perf_counter() - start)
    return spread(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slide", type=Path, default=SLIDE)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--peer", type=Path, help="InstanSeg's TorchScript file")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    best = peaks(arguments.repeat)
    result = measure_stages(arguments.slide, arguments.repeat, arguments.workers) | best
    result |= measure_network(arguments.repeat, best["convolution int8, Gop/s"][0])
    result |= measure_process(arguments.slide, arguments.workers, arguments.repeat)
    if arguments.peer:
        result["peer"] = measure_peer(arguments.slide, arguments.peer, arguments.repeat)
        result["times_faster"] = (result["peer"][0] / result["wall"][0],) * 3
    append_history(result)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for name, (median, least, most) in result.items():
        print(f"{name:26} {median:9.3f}  ({least:.3f} to {most:.3f})  {unit_of(name)}")


def unit_of(name: str) -> str:
    if "/s" in name or "%" in name:
        return ""
    units = {
        "process_s": "s",
        "process_cpu_s": "s",
        "models_s": "s",
        "peak_mb": "MB",
        "times_faster": "x",
    }
    return units.get(name, "s/Mpx")


def append_history(result: dict[str, Spread]) -> None:
    """Append a line for each figure, with the day and the commit."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    new = not HISTORY.exists()
    with HISTORY.open("a", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        if new:
            rows.writerow(("date", "commit", "figure", "median", "least", "most", "unit"))
        for name, values in result.items():
            figures = [f"{value:.4g}" for value in values]
            rows.writerow((datetime.date.today(), commit, name, *figures, unit_of(name)))


if __name__ == "__main__":
    main()
