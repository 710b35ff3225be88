"""Speed of reading 1024 x 1024 regions, beside openslide-python, on the same slide.

python benchmarks/slides.py [SLIDE] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openslide

from karyoscope.slides import open_slide

EXAMPLE = Path(__file__).parents[1] / "examples" / "CMU-1-Small-Region.svs"
EDGE = 1024


def corners(width: int, height: int, most: int = 64) -> list[tuple[int, int]]:
    """Top left corners of regions that cover the slide, the last ones moved inside."""
    xs = [min(x, max(0, width - EDGE)) for x in range(0, width, EDGE)]
    ys = [min(y, max(0, height - EDGE)) for y in range(0, height, EDGE)]
    return [(x, y) for y in ys for x in xs][:most]


def ours(path: Path, places: list[tuple[int, int]], mpp: float | None = None) -> None:
    with open_slide(path) as slide:
        for x, y in places:
            slide.read(x, y, EDGE, EDGE, mpp=mpp)


def peer(path: Path, places: list[tuple[int, int]]) -> None:
    with openslide.OpenSlide(path) as slide:
        for place in places:
            np.asarray(slide.read_region(place, 0, (EDGE, EDGE)).convert("RGB"))


def speed(run: Callable[[], None], regions: int, repeats: int) -> float:
    """Median Mpx/s over the repeats, after one that is not counted."""
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return regions * EDGE**2 / 1e6 / statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("slide", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    path = arguments.slide
    with open_slide(path) as slide:
        places, mpp = corners(*slide.size), slide.mpp
    count = len(places)
    theirs = speed(lambda: peer(path, places), count, arguments.repeats)
    print(f"openslide-python, level 0      {theirs:7.1f} Mpx/s")
    for label, factor in [("level 0", 1.0), ("2 x 2 averaged", 2.0), ("at 1.4 times mpp", 1.4)]:
        grid_places = [(int(x / factor), int(y / factor)) for x, y in places]
        found = speed(
            lambda at=grid_places, f=factor: ours(path, at, mpp * f), count, arguments.repeats
        )
        ratio = f"  {found / theirs:4.1f} x" if factor == 1 else "  (Mpx of the result)"
        print(f"karyoscope, {label:18} {found:7.1f} Mpx/s{ratio}")


if __name__ == "__main__":
    main()
