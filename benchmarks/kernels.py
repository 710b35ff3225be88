"""Each compiled kernel and hand-written encoder beside what a library offers for the same.

    python benchmarks/kernels.py [--size 1000] [--only PART-OF-A-NAME]

Prints milliseconds of both and their ratio, and whether the results are equal. Times are the
least of several repeats of the processor time of one thread, so that other work on the machine
matters little. Label maps are drawn discs with the density of colon tissue at 0.5 µm/px.
scikit-image is compared where it is installed; karyoscope does not need it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import shapely

from formats import made_up
from karyoscope.features import shape as feature_shape
from karyoscope.formats import ExportContext
from karyoscope.formats.outlines.geojson import GeoJSONWriter
from karyoscope.formats.tables.wkb import from_wkb, to_wkb
from karyoscope.pipeline.tiling.half_precision import to_half, to_single
from karyoscope.postprocessing import contour
from karyoscope.postprocessing.hover import split_by_steepness
from karyoscope.postprocessing.three_label import above_thresholds
from karyoscope.slides import resample
from kernel_cases import LIZARD, Case, close, label_cases, metric_cases, same
from metrics import drawn
from postprocessing import noisy, perfect_maps, real_labels, tiled


def real_maps(size: int) -> dict[str, np.ndarray]:
    """Maps of real nuclei as a good network would predict them, of six classes."""
    maps = noisy(perfect_maps(real_labels(None), len(LIZARD), stride=2))
    return tiled(maps, size**2 / 1e6, {"tp", "inside", "boundary"})


def pixel_cases(size: int) -> Iterator[Case]:
    """Kernels of pixels and maps."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (size, size, 3), np.uint8)
    half = (size // 2, size // 2)
    yield Case(
        "mean over 2 x 2 pixels",
        "cv2.resize INTER_AREA",
        lambda: resample.box_average(rgb, 2, 2),
        lambda: cv2.resize(rgb, half, interpolation=cv2.INTER_AREA),
        same,
    )
    edge = round(size / 1.3)
    taps = resample.plan_taps(0, edge, 1.3, size)
    named = taps.low, taps.high, taps.weight
    yield Case(
        "interpolate by 1.3",
        "cv2.resize INTER_LINEAR",
        lambda: resample.interpolate(rgb, *named, *named),
        lambda: cv2.resize(rgb, (edge, edge), interpolation=cv2.INTER_LINEAR),
        lambda a, b: int(np.abs(a[:-2, :-2].astype(int) - b[:-2, :-2]).max()) <= 1,
    )
    values = rng.random((size, size, 4), np.float32)
    narrow = to_half(values)
    yield Case(
        "to half precision",
        "ndarray.astype",
        lambda: to_half(values),
        lambda: values.astype(np.float16),
        close,
    )
    yield Case(
        "to single precision",
        "ndarray.astype",
        lambda: to_single(narrow),
        lambda: narrow.astype(np.float32),
        same,
    )
    maps = real_maps(size)
    tp, inside, boundary = maps["tp"], maps["inside"], maps["boundary"]
    best = (tp[..., 1:].argmax(-1) + 1).astype(np.uint8)
    levels, column = np.full(7, 0.5, np.float32), np.arange(inside.shape[1]) // 2

    def by_numpy() -> tuple[np.ndarray, np.ndarray]:
        of_pixel = levels[best].repeat(2, 0).repeat(2, 1)
        mask = inside + boundary >= of_pixel
        return mask, mask & (inside >= of_pixel)

    yield Case(
        "thresholds by class",
        "NumPy",
        lambda: above_thresholds(inside, boundary, best, column, 2, levels, levels),
        by_numpy,
        same,
    )

    def inner_by_numpy() -> np.ndarray:
        up = tp.repeat(2, 0).repeat(2, 1)
        top = up[..., 1:].max(-1)
        return (top > up[..., 0]) & (top > inside)

    yield Case(
        "inner pixels of a softmax",
        "NumPy",
        lambda: contour.inner_pixels(tp, inside, 2),
        inner_by_numpy,
        same,
    )
    mask = (boundary > 0.3).astype(np.uint8)
    tops, slopes = np.ones(2, np.float32), np.ones(2, np.float32)
    steep = np.float32(0.4)

    def heights_and_markers() -> tuple[np.ndarray, np.ndarray]:
        height = inside.copy()
        return height, split_by_steepness(height, boundary, mask, tops, slopes, steep)

    def by_numpy() -> tuple[np.ndarray, np.ndarray]:
        steepness = np.maximum(1 - inside, 1 - boundary)
        return np.where(mask, 1 - steepness, np.float32(0)), mask & (steepness < steep)

    yield Case("heights and markers of HoVer-Net", "NumPy", heights_and_markers, by_numpy, same)


def table_cases(count: int) -> Iterator[Case]:
    """Encoders, and features of outlines."""
    nuclei = made_up(count, 0)
    context = ExportContext("slide.svs", (60_000, 60_000), 0.25, LIZARD, "lizard", "1.0")

    def geojson() -> None:
        with (
            TemporaryDirectory() as folder,
            GeoJSONWriter(Path(folder) / "a.geojson", context) as writer,
        ):
            writer.write(nuclei)

    def by_json() -> bytes:
        names, features = nuclei.class_names(), []
        columns = {k: v.tolist() for k, v in nuclei.columns().items() if v.dtype.kind == "f"}
        for row in range(len(nuclei)):
            ring = nuclei.outline(row).round(2).tolist()
            features.append(
                {
                    "type": "Feature",
                    "id": context.uuid(int(nuclei.id[row])),
                    "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
                    "properties": {
                        "objectType": "detection",
                        "classification": {"name": str(names[row])},
                        "measurements": {name: v[row] for name, v in columns.items()},
                    },
                }
            )
        return json.dumps(features).encode()

    yield Case("GeoJSON", "json.dumps", geojson, by_json)
    vertices, offsets = nuclei.vertices, nuclei.offsets
    encoded = to_wkb(vertices, offsets)

    def decoded_by_shapely() -> tuple[np.ndarray, np.ndarray]:
        outlines = shapely.from_wkb(encoded.to_numpy(zero_copy_only=False))
        _, points, (ends, _) = shapely.to_ragged_array(outlines, include_z=False)
        inner = np.delete(points, ends[1:] - 1, axis=0).astype(np.float32)
        return inner, ends - np.arange(len(ends))

    yield Case(
        "decode well-known binary",
        "shapely.from_wkb",
        lambda: from_wkb(encoded),
        decoded_by_shapely,
        lambda a, b: all(map(same, a, b)),
    )
    rings = np.repeat(np.arange(len(nuclei)), np.diff(offsets))

    def shape_by_shapely() -> np.ndarray:
        made = shapely.polygons(shapely.linearrings(vertices.astype(float), indices=rings))
        area = shapely.area(made)
        return np.stack([shapely.length(made), area / shapely.area(shapely.convex_hull(made))])

    def ours() -> np.ndarray:
        found = feature_shape.shape_features(nuclei, (1.0, 1.0))
        return np.stack([found["perimeter_um"], found["solidity"]])

    yield Case("features of outlines", "shapely: 2 of the 7", ours, shape_by_shapely, close)


def processor_ms(work: Callable[[], Any]) -> float:
    """Least milliseconds of five runs, after one that compiles."""
    work()
    best = np.inf
    for _ in range(5):
        start, number = time.process_time(), 0
        while number < 3 or time.process_time() - start < 0.02:
            work()
            number += 1
        best = min(best, (time.process_time() - start) / number)
    return 1000 * best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    true, pred = drawn(args.size, args.size**2 // 700)
    cases = [
        *label_cases(true, pred),
        *metric_cases(true, pred),
        *pixel_cases(args.size),
        *table_cases(2000),
    ]
    print(f"| kernel | library | ours, ms | theirs, ms | ratio | equal |\n{'| --- ' * 6}|")
    for case in cases:
        if args.only not in case.kernel:
            continue
        ours, theirs = processor_ms(case.ours), processor_ms(case.theirs)
        equal = "" if case.equal is None else str(case.equal(case.ours(), case.theirs()))
        print(
            f"| {case.kernel} | {case.library} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.1f} |"
            f" {equal} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
