"""Two runs into one folder, and many threads with one model: the results are those of one alone.

python benchmarks/concurrent_runs.py [--pairs N] [--calls N] [--threads N] [--seed N]

Of a pair, the second run begins at a random moment of the first. One of them writes the results,
the other says who does or that they are done; then every file is whole and a third run has nothing
to do. The calls find the nuclei of random windows of the slide and are compared to the bit.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import karyoscope
from kills import EXAMPLE, content, start

OPTIONS = ["--format", "geojson,parquet,csv,labels", "--workers", "1"]


def alike(found: dict, expected: dict) -> bool:
    return {n for n in found if not n.startswith("cohort")} == set(expected) and all(
        found[name] == of for name, of in expected.items()
    )


def pairs(number: int, chance: random.Random, folder: Path) -> Counter[str]:
    began = time.perf_counter()
    for name in ("first", "alone"):
        began = time.perf_counter()
        if start(EXAMPLE, folder / name, OPTIONS).wait():
            raise SystemExit("an undisturbed run failed")
    duration, expected = time.perf_counter() - began, content(folder / "alone")
    ends: Counter[str] = Counter()
    for _ in range(number):
        out = folder / "pair"
        first = start(EXAMPLE, out, OPTIONS)
        time.sleep(chance.uniform(0, 1.2 * duration))
        second = start(EXAMPLE, out, OPTIONS)
        reports = [process.communicate()[1] for process in (first, second)]
        codes = [first.returncode, second.returncode]
        found = content(out)
        if not alike(found, expected) or 0 not in codes or not set(codes) <= {0, 1}:
            raise SystemExit(f"exit codes {codes}, files {sorted(found)}\n" + "\n".join(reports))
        said = reports[codes.index(1)] if 1 in codes else reports[1]
        words = {"is writing these results": "locked out", "done before": "found it done"}
        ends[next((end for word, end in words.items() if word in said), "ran")] += 1
        third = start(EXAMPLE, out, OPTIONS)
        if "nothing to do" not in third.communicate()[1] or third.returncode:
            raise SystemExit("a third run found something to do")
        shutil.rmtree(out)
    return ends


def calls(number: int, threads: int, chance: random.Random) -> int:
    """Number of calls whose nuclei differ from those of the same call alone."""
    model = karyoscope.load_model("lizard", threads=1)
    with karyoscope.open_slide(EXAMPLE) as slide:
        corners = [(chance.randrange(1900), chance.randrange(2500)) for _ in range(16)]
        tiles = [slide.read(x, y, 160, 160) for x, y in corners]

    def found(tile: np.ndarray) -> list[np.ndarray]:
        nuclei = karyoscope.segment(tile, 0.5, model)
        return [nuclei.x, nuclei.y, nuclei.class_id, nuclei.vertices]

    alone = [found(tile) for tile in tiles]
    order = [chance.randrange(len(tiles)) for _ in range(number)]
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(lambda i: found(tiles[i]), order))
    same = (
        all(map(np.array_equal, alone[i], result)) for i, result in zip(order, results, strict=True)
    )
    return number - sum(same)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    if arguments.pairs:
        with tempfile.TemporaryDirectory(prefix="karyoscope-concurrent-") as folder:
            ends = pairs(arguments.pairs, chance, Path(folder))
        print(
            f"{arguments.pairs} pairs, results whole and equal each time; the other run:", end=" "
        )
        print(json.dumps(ends), flush=True)
    if arguments.calls:
        wrong = calls(arguments.calls, arguments.threads, chance)
        print(f"{arguments.calls} calls in {arguments.threads} threads: {wrong} differ")
        if wrong:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
