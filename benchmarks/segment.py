"""The main job end to end: seconds per Mpx of each stage, start-up, peak memory; a peer beside it.

    python benchmarks/segment.py                               # the shipped slide
    python benchmarks/segment.py --peer instanseg.pt           # and InstanSeg on the same pixels
    python benchmarks/segment.py --slide other.svs --repeat 5

The peer is InstanSeg ``brightfield_nuclei`` 0.1.1 as TorchScript (Goldsborough et al. 2024),
which needs torch; it outlines nuclei and does not classify them. Medians are printed: machines
are noisy, trust the ratio.
"""

from __future__ import annotations

import argparse
import json
import resource
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

ROOT = Path(__file__).parents[1]
SLIDE = ROOT / "examples" / "CMU-1-Small-Region.svs"


def measure_stages(slide: Path, repeat: int, workers: int) -> dict[str, float]:
    """Busy seconds per Mpx of each stage, and of the whole, medians; a first run is not counted."""
    model = load_model(threads=workers)
    with open_slide(slide) as opened:
        grid = opened.grid(model.mpp)
        mpx = grid.width * grid.height / 1e6
    rows = []
    for _ in range(repeat + 1):
        with tempfile.TemporaryDirectory() as out:
            start = time.perf_counter()
            summary = segment_file(slide, Path(out), model, options=SegmentOptions(overwrite=True))
            wall = time.perf_counter() - start
        rows.append(
            {stage: s / mpx for stage, s in summary["seconds"].items()} | {"wall": wall / mpx}
        )
    return {name: statistics.median(row[name] for row in rows[1:]) for name in rows[0]} | {
        "Mpx": mpx
    }


def measure_process(slide: Path, workers: int) -> dict[str, float]:
    """Wall seconds and peak memory (MB) of the command in a fresh process, caches warm."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "karyoscope", "segment", str(slide), "--out", out]
        start = time.perf_counter()
        subprocess.run(
            [*command, "--workers", str(workers)], check=True, capture_output=True, cwd=ROOT
        )
        wall = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "karyoscope", "models"], check=True, capture_output=True)
    return {"process_s": wall, "peak_mb": peak, "models_s": time.perf_counter() - start}


def measure_peer(slide: Path, weights: Path, repeat: int) -> float:
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
    return statistics.median(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--slide", type=Path, default=SLIDE)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--peer", type=Path, help="InstanSeg's TorchScript file")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measure_stages(arguments.slide, arguments.repeat, arguments.workers)
    result |= measure_process(arguments.slide, arguments.workers)
    if arguments.peer:
        result["peer_s_per_mpx"] = measure_peer(arguments.slide, arguments.peer, arguments.repeat)
        result["times_faster"] = result["peer_s_per_mpx"] / result["wall"]
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    units = {"Mpx": "Mpx", "process_s": "s", "models_s": "s", "peak_mb": "MB", "times_faster": "x"}
    for name, value in result.items():
        print(f"{name:16} {value:8.3f} {units.get(name, 's/Mpx')}")


if __name__ == "__main__":
    main()
