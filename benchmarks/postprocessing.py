"""Post-processing and tabulation: processor time in ms per Mpx at several image sizes.

    python benchmarks/postprocessing.py [LABELS.mat] [--sizes 1 16 64] [--methods NAME ...]

Maps are those that a good network would make of real labels: the true regions, smoothed, with
noise, repeated to the size. LABELS.mat holds an ``inst_map``, such as an image of Lizard; without
one, a label map from the tests is used. Processor time of one thread is reported, so that other
work on the machine matters little.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import scipy.io

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing import POSTPROCESSINGS, nuclei_from_labels

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "postprocessing"))

from label_map_cases import noisy, perfect_maps, tidy  # noqa: E402

TAXONOMY = Taxonomy.load("lizard")
MPP = 0.5


def real_labels(path: Path | None) -> np.ndarray:
    """Read a label map, cut to even lengths."""
    if path is None:
        files = sorted((ROOT / "tests" / "data" / "dsb2018" / "labels").glob("*.png"))
        labels = np.hstack([cv2.imread(str(f), cv2.IMREAD_UNCHANGED) for f in files[:1]])
    else:
        labels = scipy.io.loadmat(path)["inst_map"]
    return tidy(labels[: labels.shape[0] // 2 * 2, : labels.shape[1] // 2 * 2])


def tiled(maps: dict[str, np.ndarray], mpx: float, needed: set[str]) -> dict[str, np.ndarray]:
    """Repeat maps until they cover a square of this many million pixels."""
    side = round(1000 * mpx**0.5) // 2 * 2
    result = {}
    for name in needed:
        length = side // 2 if name == "tp" else side
        height, width = maps[name].shape[:2]
        times = (-(-length // height), -(-length // width)) + (1,) * (maps[name].ndim - 2)
        result[name] = np.ascontiguousarray(np.tile(maps[name], times)[:length, :length])
    return result


def measure(method: str, maps: dict[str, np.ndarray], repeats: int) -> tuple[float, float, int]:
    """Least processor seconds of segmentation and of tabulation, and the number of nuclei."""
    best = [np.inf, np.inf]
    for _ in range(repeats):
        start = time.process_time()
        labels = POSTPROCESSINGS[method](maps, None, TAXONOMY, MPP)
        middle = time.process_time()
        nuclei = nuclei_from_labels(labels, maps["tp"], TAXONOMY, MPP)
        stop = time.process_time()
        best = [min(best[0], middle - start), min(best[1], stop - middle)]
    return best[0], best[1], len(nuclei)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path, nargs="?")
    parser.add_argument("--sizes", type=float, nargs="+", default=[1, 16, 64])
    parser.add_argument("--methods", nargs="+", default=sorted(POSTPROCESSINGS))
    args = parser.parse_args()
    cv2.setNumThreads(1)
    maps = noisy(perfect_maps(real_labels(args.labels), len(TAXONOMY), stride=2))
    print(
        f"{'method':12} {'Mpx':>5} {'nuclei/Mpx':>11} {'labels':>8} {'table':>8} {'sum':>8}  ms/Mpx"
    )
    for method in args.methods:
        needed = {*POSTPROCESSINGS[method].maps, "tp"}
        measure(method, tiled(maps, 0.25, needed), 1)
        for size in args.sizes:
            segment, table, count = measure(
                method, tiled(maps, size, needed), 3 if size < 20 else 1
            )
            a, b = 1000 * segment / size, 1000 * table / size
            print(f"{method:12} {size:5g} {count / size:11.0f} {a:8.1f} {b:8.1f} {a + b:8.1f}")


if __name__ == "__main__":
    main()
