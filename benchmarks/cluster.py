"""Throughput of 1, 2, ... processes of a Ray cluster on this machine, and of one without Ray.

    python benchmarks/cluster.py SLIDE ...                     # 1 and 2 processes
    python benchmarks/cluster.py SLIDE ... --processes 1 2 4 8
    python benchmarks/cluster.py --model                       # from numbers of windows alone

For n processes everything, writing the files among it, has n cores (Linux), so that the time of one
process is that of one core. The slides are one batch, with CSV as the only format. Starting Ray,
loading the model and a first run, which compiles, are not counted. The efficiency of n processes is
the time of one divided by n times theirs. With ``--model`` nothing is run: each window of the
network takes equally long, and nothing else takes any time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from karyoscope.cluster import Cluster
from karyoscope.cluster.regions import divide
from karyoscope.pipeline import Layout, LocalExecutor, SegmentOptions, segment_slides

OPTIONS = SegmentOptions(("csv",), overwrite=True)


def seconds(slides: list[Path], executor: Cluster | LocalExecutor, repeats: int) -> list[float]:
    """Wall seconds of batches, after one that is not counted."""
    model = executor.load("lizard")
    found = []
    for _ in range(repeats + 1):
        with tempfile.TemporaryDirectory() as out:
            began = time.perf_counter()
            result = segment_slides(slides, Path(out), model, OPTIONS, executor)
            found.append(time.perf_counter() - began)
        if result.failed:
            raise SystemExit("a slide failed")
    return found[1:]


def modelled(edge: int, processes: int, context: int = 128) -> tuple[int, float]:
    """Blocks of a square of tissue, and the efficiency of processes that divide it."""
    layout = Layout(edge, edge, context)
    blocks = list(layout.blocks())
    windows = {index: layout.windows(block.read) for index, block in enumerate(blocks)}
    # One machine runs the windows between two bands of blocks twice.
    left = sorted({block.own.left for block in blocks})
    bands: dict[int, set] = {}
    for index, block in enumerate(blocks):
        bands.setdefault(left.index(block.own.left) // layout.band, set()).update(windows[index])
    busy = [0] * processes
    for region in divide(windows, processes):
        soonest = busy.index(min(busy))
        busy[soonest] += len(set().union(*(windows[index] for index in region)))
    alone = sum(map(len, bands.values()))
    return len(blocks), alone / processes / max(busy)


def print_model() -> None:
    """Print the efficiency of 2, 4 and 8 processes for slides of several sizes."""
    print("| blocks of the slide | 2 processes | 4 | 8 |")
    print("| ---: | ---: | ---: | ---: |")
    for edge in (6000, 11000, 20500, 36000, 55500):
        found = [modelled(edge, number) for number in (2, 4, 8)]
        print(f"| {found[0][0]:,} |", " | ".join(f"{share:.2f}" for _, share in found), "|")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("slides", nargs="*", type=Path)
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--model", action="store_true")
    arguments = parser.parse_args()
    if arguments.model:
        print_model()
        return
    if not arguments.slides:
        parser.error("name slides, or give --model")
    slides = [path.resolve() for path in arguments.slides]
    print("| processes, cores | s, median (least to most) | efficiency |")
    print("| --- | ---: | ---: |")

    def row(name: str, found: list[float], efficiency: str = "") -> None:
        middle = statistics.median(found)
        print(f"| {name} | {middle:.1f} ({min(found):.1f} to {max(found):.1f}) | {efficiency} |")

    cores = sorted(os.sched_getaffinity(0))
    if max(arguments.processes) > len(cores):
        raise SystemExit(f"there are {len(cores)} cores")
    os.sched_setaffinity(0, cores[:1])
    row("without Ray", seconds(slides, LocalExecutor("cpu", threads=1), arguments.repeat))
    import ray

    single = None
    for number in arguments.processes:
        os.sched_setaffinity(0, cores[:number])
        ray.init(num_cpus=number, include_dashboard=False, log_to_driver=False)
        with Cluster("local", threads=1) as cluster:
            found = seconds(slides, cluster, arguments.repeat)
        ray.shutdown()
        work = number * statistics.median(found)
        single = single or work
        row(str(number), found, f"{single / work:.2f}")


if __name__ == "__main__":
    main()
