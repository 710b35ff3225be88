"""Time napari with the slide and the nuclei of `view.py`: first picture, outlines, memory.

    python benchmarks/view.py --nuclei 1000000 --keep made
    python benchmarks/view_napari.py made --nuclei 1000000

napari is installed beside, not with, karyoscope (`pip install 'napari[pyqt6]' tifffile zarr
imagecodecs pyarrow`); this script imports nothing else. It needs a display; `xvfb-run` makes one.
Nuclei are shown in three ways, one a run: `points` (centroids only), `shapes` (outlines as
polygons, napari's own layer for them) and `vectors` (outlines as line segments, which is the
fastest way to draw all of them). One line of JSON is printed for each.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

WAYS = ("points", "vectors", "shapes")
PAN_STEPS = 30


def memory_mb(peak: bool = False) -> float:
    """Resident memory of this process, which holds napari's window, too."""
    status = Path("/proc/self/status").read_text("utf-8")
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", status)
    return round(int(found[1]) / 1024) if found else float("nan")


def read_outlines(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rings of the nuclei as (n, vertices, 2) rows and columns, and their centroids."""
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["geometry", "x", "y"])
    # Well-known binary of polygons of one ring: 5 bytes, rings, vertices, then doubles.
    column = table["geometry"].combine_chunks()
    offsets = np.frombuffer(column.buffers()[1], np.int32)[: len(column) + 1]
    size = int(offsets[1] - offsets[0])
    if not (np.diff(offsets) == size).all():
        raise SystemExit(f"{path}: outlines of one number of vertices were expected")
    raw = np.frombuffer(column.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
    rings = raw.reshape(-1, size)[:, 13:].copy().view("<f8").reshape(len(column), -1, 2)
    centroids = np.stack([table["y"].to_numpy(), table["x"].to_numpy()], 1)
    return rings[:, :-1, ::-1].astype(np.float32), centroids


def show(slide: Path, nuclei: Path, way: str) -> dict[str, Any]:
    began = time.perf_counter()
    import napari
    import tifffile
    import zarr
    from qtpy.QtWidgets import QApplication

    row: dict[str, Any] = {"way": way, "napari": napari.__version__}

    def lap(name: str) -> None:
        # Drawn, and read back: what a person would see.
        QApplication.processEvents()
        viewer.screenshot(canvas_only=True, flash=False)
        row[name] = round(time.perf_counter() - began, 2)

    row["imported_s"] = round(time.perf_counter() - began, 2)
    viewer = napari.Viewer(show=True)
    store = tifffile.imread(slide, aszarr=True, series=0)
    found = zarr.open(store, mode="r")
    levels = [found] if hasattr(found, "shape") else [found[str(k)] for k in range(len(found))]
    viewer.add_image(levels, rgb=True, multiscale=len(levels) > 1)
    lap("first_picture_s")
    rings, centroids = read_outlines(nuclei)
    row["nuclei"], row["table_read_s"] = len(rings), round(time.perf_counter() - began, 2)
    if way == "points":
        viewer.add_points(centroids, size=12, face_color="lime")
    elif way == "shapes":
        viewer.add_shapes(list(rings), shape_type="polygon", edge_color="lime", face_color="#0000")
    else:
        steps = np.roll(rings, -1, axis=1) - rings
        lines = np.stack([rings, steps], 2).reshape(-1, 2, 2)
        viewer.add_vectors(lines, edge_color="lime", edge_width=1, vector_style="line")
    lap("all_nuclei_s")
    row["memory_mb"] = memory_mb()
    viewer.camera.center, viewer.camera.zoom = tuple(centroids[len(centroids) // 2]), 1
    lap("near_s")
    times = []
    for _ in range(PAN_STEPS):
        start = time.perf_counter()
        y, x = viewer.camera.center[-2:]
        viewer.camera.center = (y, x + 40)
        QApplication.processEvents()
        viewer.screenshot(canvas_only=True, flash=False)
        times.append(1000 * (time.perf_counter() - start))
    row["pan_ms"] = [round(float(np.percentile(times, p))) for p in (50, 99)]
    row["peak_mb"] = memory_mb(peak=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="that `view.py --keep` wrote")
    parser.add_argument("--nuclei", type=int, default=1_000_000)
    parser.add_argument("--way", choices=WAYS, action="append")
    parser.add_argument("--limit", type=float, default=600, help="seconds for each way")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    slide = given.folder / "made.svs"
    nuclei = given.folder / f"nuclei-{given.nuclei}" / "made.parquet"
    if given.in_process:
        print(json.dumps(show(slide, nuclei, given.way[0])), flush=True)
        return
    for way in given.way or WAYS:
        command = [sys.executable, __file__, str(given.folder), "--nuclei", str(given.nuclei)]
        try:
            done = subprocess.run(
                [*command, "--way", way, "--in-process"],
                capture_output=True,
                text=True,
                timeout=given.limit,
                check=False,
            )
            ends = (done.stderr.strip().splitlines() or ["no word"])[-1]
            print(done.stdout.strip() or json.dumps({"way": way, "failed": ends}), flush=True)
        except subprocess.TimeoutExpired:
            print(json.dumps({"way": way, "failed": f"not drawn after {given.limit:.0f} s"}))


if __name__ == "__main__":
    main()
