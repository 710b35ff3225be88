"""One million nuclei to files: seconds and peak memory of each format.

The nuclei are made up (outlines of 12 to 28 vertices, six class probabilities), arrive in blocks
of 2,000 and are laid out over a slide of 60,000 pixels, so that memory in proportion to their
number would show. Beside GeoJSON runs the usual way to write it, a dict a nucleus and
``json.dumps``, on a tenth of the nuclei.

    python benchmarks/formats.py [--count 1000000] [--format geojson,parquet]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats import WRITERS, ExportContext
from karyoscope.report import slide_page

EDGE = 60_000
BLOCK = 2_000
MPP = 0.25
TAXONOMY = Taxonomy.load("lizard")


def made_up(count: int, seed: int) -> Nuclei:
    """Round nuclei on half-pixel vertices in a square of 2,000 pixels somewhere on the slide."""
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, EDGE - 2_000, 2)
    x, y = (corner[:, None] + rng.uniform(20, 1_980, (2, count))).round(2)
    lengths = rng.integers(12, 29, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    turn = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    angle = 2 * np.pi * turn / np.repeat(lengths, lengths)
    radius = np.repeat(rng.uniform(8, 18, count), lengths)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]
    vertices = np.round(2 * (np.repeat(np.stack([x, y], 1), lengths, 0) + ring)) / 2
    return Nuclei(
        TAXONOMY,
        MPP,
        np.arange(1, count + 1) + seed * BLOCK,
        rng.choice(TAXONOMY.ids, count),
        x,
        y,
        rng.uniform(10, 60, count),
        rng.dirichlet(np.ones(len(TAXONOMY)), count),
        vertices,
        offsets,
    )


def blocks(count: int) -> Iterator[Nuclei]:
    for seed, start in enumerate(range(0, count, BLOCK)):
        yield made_up(min(BLOCK, count - start), seed)


def plain_read(x: int, y: int, width: int, height: int, mpp: float | None) -> np.ndarray:
    return np.full((height, width, 3), 240, np.uint8)


def clocks() -> np.ndarray:
    """Wall clock and time of this process on all cores, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def export(name: str, count: int, folder: Path) -> tuple[np.ndarray, int]:
    """Time spent in the writer (not in making up nuclei) and bytes written."""
    context = ExportContext(
        *("slide.svs", (EDGE, EDGE), MPP, TAXONOMY, "lizard", "1.0"),
        read=plain_read,
        page=slide_page,
    )
    path = folder / f"slide{WRITERS[name].suffix}"
    spent = clocks()
    writer = WRITERS[name](path, context)
    spent = clocks() - spent
    for block in blocks(count):
        start = clocks()
        writer.write(block)
        spent += clocks() - start
    start = clocks()
    writer.close()
    return spent + clocks() - start, path.stat().st_size


def dicts_and_json(count: int, folder: Path) -> tuple[np.ndarray, int]:
    """The usual way: every nucleus a dict, all of them at once."""
    tables = list(blocks(count))
    start = clocks()
    features = []
    for nuclei in tables:
        names = nuclei.class_names()
        for row in range(len(nuclei)):
            ring = nuclei.outline(row).tolist()
            features.append(
                {
                    "type": "Feature",
                    "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
                    "properties": {
                        "objectType": "detection",
                        "classification": {"name": str(names[row])},
                        "measurements": dict(
                            zip(
                                nuclei.taxonomy.names,
                                nuclei.probabilities[row].tolist(),
                                strict=True,
                            )
                        ),
                    },
                }
            )
    path = folder / "dicts.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return clocks() - start, path.stat().st_size


def measured(name: str, count: int) -> None:
    """Run in a process of its own, so that peak memory is that of one format."""
    with tempfile.TemporaryDirectory() as folder:
        work = dicts_and_json if name == "dicts and json" else lambda *a: export(name, *a)
        work(1_000, Path(folder))  # compile and import
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        (wall, cpu), size = work(count, Path(folder))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{name:15s} {count:>9,d} nuclei {wall:7.2f} s ({cpu:.2f} s of CPU)"
        f" {size / 2**20:7.0f} MB, peak memory {peak / 1024:5.0f} MB"
        f" (+{(peak - before) / 1024:.0f} MB)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--format", default="geojson,parquet,csv,geojson.gz,labels,overlay,summary")
    arguments = parser.parse_args()
    fork = multiprocessing.get_context("spawn")
    jobs = [(name, arguments.count) for name in arguments.format.split(",")]
    if "geojson" in arguments.format:
        jobs.append(("dicts and json", arguments.count // 10))
    for job in jobs:
        process = fork.Process(target=measured, args=job)
        process.start()
        process.join()


if __name__ == "__main__":
    main()
