"""Make a large slide of real tissue: a JPEG-tiled pyramid as Aperio scanners write it.

    python benchmarks/make_slide.py big.svs --edge 30000 --tissue 0.5
    python benchmarks/make_slide.py huge.svs --edge 60000 --tissue 0.05 --seed 1

Tissue is cut from the shipped slide (CC0) in patches that are mirrored and turned, each cut at
another place, and laid in a few large pieces; the rest is glass. The cuts between patches keep away
from the borders of the blocks that ``karyoscope segment`` works in, so that nuclei counted along
those borders are not counted along a cut. The same arguments give the same file. Memory holds the
shipped slide and a strip of 256 rows, not the slide; the coarser levels wait in a temporary
file.
"""

from __future__ import annotations

import argparse
import functools
import os
import tempfile
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import BinaryIO

import cv2
import imagecodecs
import numpy as np
import tifffile

from karyoscope.inference import find_bundle
from karyoscope.pipeline import Layout
from karyoscope.slides import open_slide

EXAMPLE = Path(__file__).parents[1] / "examples" / "CMU-1-Small-Region.svs"
#: x, y, width and height of parts of the example that are tissue throughout.
TISSUE = ((800, 1830, 490, 1130), (640, 2440, 900, 520))
MPP = 0.499
TILE = 256
GLASS = 243
#: Patches are between these edges, in pixels.
SHORTEST, LONGEST = 300, 480
#: Least distance of a cut between patches from a border of blocks.
CLEARANCE = 48
#: Each level is this much coarser than the one before, the last at most this large.
STEP, LAST = 4, 2048
THUMBNAIL = 1024

DESCRIPTION = (
    "Aperio Image Library v11.2.1\r\n{edge}x{edge} ({tile}x{tile}) JPEG/RGB Q={quality}"
    "|AppMag = 20|MPP = {mpp}|Tissue = {tissue}|Seed = {seed}"
)


@dataclass(frozen=True)
class Plan:
    """Where the patches of a slide are.

    Attributes
    ----------
    cuts : tuple of int
        Where patches end, along both axes, 0 and the edge included.
    tissue : ndarray of bool, shape (n, n)
        Which of the cells between the cuts are tissue, row by row.
    """

    cuts: tuple[int, ...]
    tissue: np.ndarray

    @property
    def tissue_px(self) -> int:
        """Pixels of tissue."""
        sizes = np.diff(self.cuts)
        return int((np.outer(sizes, sizes) * self.tissue).sum())


def plan_slide(edge: int, tissue: float, seed: int) -> Plan:
    """Lay out a slide of ``edge`` pixels with a share of tissue."""
    random = np.random.default_rng(seed)
    cuts = _cuts(edge, block_borders(edge), random)
    cells = len(cuts) - 1
    # A smooth landscape, flooded up to the share that is wanted: a few large pieces.
    height = cv2.GaussianBlur(random.normal(size=(cells, cells)), (0, 0), max(1, min(6, cells / 6)))
    sizes = np.diff(cuts)
    areas = np.outer(sizes, sizes).ravel()
    order = np.argsort(-height.ravel())
    covered = np.cumsum(areas[order])
    wanted = np.zeros(cells * cells, bool)
    wanted[order[: int(np.searchsorted(covered, tissue * edge**2 * (1 - 1e-9))) + 1]] = tissue > 0
    return Plan(cuts, wanted.reshape(cells, cells))


def block_borders(edge: int) -> tuple[int, ...]:
    """Where the blocks of the shipped model end, along both axes."""
    axis = Layout(edge, edge, find_bundle("lizard").card.input.context).columns
    return axis.middles()[1:-1]


def _cuts(edge: int, borders: Sequence[int], random: np.random.Generator) -> tuple[int, ...]:
    cuts = [0]
    while edge - cuts[-1] > LONGEST:
        cut = cuts[-1] + int(random.integers(SHORTEST, LONGEST + 1))
        near = [border for border in borders if abs(border - cut) < CLEARANCE]
        if near:
            cut = near[0] - CLEARANCE
        cuts.append(cut)
    return (*cuts, edge)


def make_slide(
    path: Path, edge: int, tissue: float = 1.0, seed: int = 0, quality: int = 80, threads: int = 0
) -> Plan:
    """Write a slide.

    Parameters
    ----------
    path : Path
    edge : int
        Width and height in pixels.
    tissue : float
        Share of the area that is tissue, 0 to 1.
    seed : int
    quality : int
        Quality of the JPEG tiles, 1 to 100.
    threads : int
        Threads that compress; 0 for all cores.
    """
    plan = plan_slide(edge, tissue, seed)
    description = DESCRIPTION.format(
        edge=edge, tile=TILE, quality=quality, mpp=MPP, tissue=tissue, seed=seed
    )
    strips = _strips(plan, _sources(), _glass(np.random.default_rng(seed)), seed)
    with (
        ThreadPoolExecutor(threads or os.cpu_count()) as pool,
        tifffile.TiffWriter(path, bigtiff=True) as file,
        tempfile.TemporaryDirectory(dir=path.parent) as folder,
    ):
        size, level = edge, 0
        while True:
            coarse = Path(folder, str(level + 1))
            with coarse.open("wb") as raw:
                file.write(
                    _encoded(_reduced(strips, raw), quality, pool),
                    shape=(size, size, 3),
                    dtype=np.uint8,
                    tile=(TILE, TILE),
                    compression="jpeg",
                    photometric="ycbcr",
                    subsampling=(2, 2),
                    description=description,
                    metadata=None,
                )
            if level == 0:
                # Aperio's second image is always a thumbnail, in one piece.
                small = np.memmap(coarse, np.uint8, "r", shape=(size // STEP, size // STEP, 3))
                skip = -(-len(small) // THUMBNAIL)
                file.write(small[::skip, ::skip], photometric="rgb", metadata=None)
            if size <= LAST:
                return plan
            size, level = size // STEP, level + 1
            strips = _read_strips(coarse, size)


def _sources() -> list[np.ndarray]:
    """Parts of the example slide, in all eight orientations."""
    with open_slide(EXAMPLE) as slide:
        parts = [slide.read(*box) for box in TISSUE]
    turned = [np.rot90(part, turns) for part in parts for turns in range(4)]
    return [view for part in turned for view in (part, part[:, ::-1])]


def _glass(random: np.random.Generator) -> np.ndarray:
    """One tile of empty glass with a little noise."""
    noise = random.integers(-1, 2, (TILE, TILE, 1))
    return np.repeat((GLASS + noise).astype(np.uint8), 3, axis=2)


def _strips(
    plan: Plan, sources: list[np.ndarray], glass: np.ndarray, seed: int
) -> Iterator[np.ndarray]:
    """Rows of the slide, a row of tiles at a time."""
    edge, tissue = plan.cuts[-1], plan.tissue
    empty = np.tile(glass, (1, -(-edge // TILE), 1))[:, :edge]
    for top in range(0, edge, TILE):
        strip = empty[: edge - top].copy()
        bottom = top + len(strip)
        rows = range(bisect_right(plan.cuts, top) - 1, bisect_left(plan.cuts, bottom))
        places = np.argwhere(tissue[rows.start : rows.stop]) + np.array([rows.start, 0])
        for row, column in places.tolist():
            above, below = plan.cuts[row], plan.cuts[row + 1]
            left, right = plan.cuts[column], plan.cuts[column + 1]
            patch = _patch(sources, right - left, below - above, (seed, row, column))
            first, last = max(above, top), min(below, bottom)
            strip[first - top : last - top, left:right] = patch[first - above : last - above]
        yield strip


def _patch(sources: list[np.ndarray], width: int, height: int, seed: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(seed)
    source = sources[random.integers(len(sources))]
    y = random.integers(source.shape[0] - height + 1)
    x = random.integers(source.shape[1] - width + 1)
    return source[y : y + height, x : x + width]


def _reduced(strips: Iterator[np.ndarray], raw: BinaryIO) -> Iterator[np.ndarray]:
    """Pass strips on, and keep them in small for the next level."""
    for strip in strips:
        height, width = strip.shape[0] // STEP, strip.shape[1] // STEP
        if height:
            cropped = strip[: height * STEP, : width * STEP]
            raw.write(cv2.resize(cropped, (width, height), interpolation=cv2.INTER_AREA).tobytes())
        yield strip


def _read_strips(path: Path, size: int) -> Iterator[np.ndarray]:
    with path.open("rb") as raw:
        for top in range(0, size, TILE):
            rows = min(TILE, size - top)
            yield np.frombuffer(raw.read(rows * size * 3), np.uint8).reshape(rows, size, 3)
    path.unlink()


def _encoded(
    strips: Iterator[np.ndarray], quality: int, pool: ThreadPoolExecutor
) -> Iterator[bytes]:
    """Tiles as JPEG, strip by strip."""
    for strip in strips:
        full = -(-strip.shape[1] // TILE) * TILE
        padding = ((0, TILE - strip.shape[0]), (0, full - strip.shape[1]), (0, 0))
        padded = np.pad(strip, padding, mode="edge")
        tiles = (padded[:, x : x + TILE].tobytes() for x in range(0, full, TILE))
        yield from pool.map(_encode, tiles, repeat(quality))


# Most tiles of a slide with little tissue are the same glass.
@functools.lru_cache(maxsize=32)
def _encode(tile: bytes, quality: int) -> bytes:
    pixels = np.frombuffer(tile, np.uint8).reshape(TILE, TILE, 3)
    return imagecodecs.jpeg8_encode(
        pixels, level=quality, colorspace="rgb", outcolorspace="ycbcr", subsampling="420"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--edge", type=int, default=30_000, help="pixels (0.499 µm each)")
    parser.add_argument("--tissue", type=float, default=1.0, help="share of the area")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quality", type=int, default=80, help="of JPEG")
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    start = time.perf_counter()
    plan = make_slide(**vars(arguments))
    elapsed = time.perf_counter() - start
    mpx, tissue = arguments.edge**2 / 1e6, plan.tissue_px / 1e6
    size = arguments.path.stat().st_size / 1e6
    print(
        f"{arguments.path}: {mpx:,.0f} Mpx, {tissue:,.1f} Mpx of tissue, {size:,.0f} MB,"
        f" made in {elapsed:.1f} s ({mpx / elapsed:,.0f} Mpx/s)"
    )


if __name__ == "__main__":
    main()
