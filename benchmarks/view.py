"""Time `karyoscope view`: first picture, outlines, densities, requests per second, memory.

    python benchmarks/view.py --nuclei 2000 --nuclei 100000 --nuclei 1000000 --edge 30000
    python benchmarks/view.py --nuclei 1000000 --browser    # with Chromium, beside the server alone

The slide is made by `make_slide.py`, the nuclei are laid at random on its tissue. The server runs
as a program of its own, as a person starts it; requests are sent over two connections. Without
`--keep FOLDER` the slide and the tables are removed at the end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats import ExportContext, open_writers
from make_slide import MPP, make_slide, plan_slide

VERTICES = 18
CONNECTIONS = 2


def make_nuclei(count: int, edge: int, tissue: float, seed: int) -> Nuclei:
    """Ellipses on the tissue of a slide of `make_slide.py`, block by block as a run writes them."""
    random = np.random.default_rng(seed)
    plan = plan_slide(edge, tissue, seed)
    cuts, cells = np.array(plan.cuts), np.argwhere(plan.tissue)
    sizes = np.diff(cuts)
    areas = sizes[cells[:, 0]] * sizes[cells[:, 1]]
    cell = cells[np.sort(random.choice(len(cells), count, p=areas / areas.sum()))]
    y, x = (cuts[cell[:, k]] + random.random(count) * sizes[cell[:, k]] for k in (0, 1))
    angle = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    radius = random.uniform(4, 9, (count, 2, 1))
    ring = np.stack([radius[:, 0] * np.cos(angle), radius[:, 1] * np.sin(angle)], -1)
    vertices = np.rint(2 * (ring + np.stack([x, y], 1)[:, None])).reshape(-1, 2) / 2
    taxonomy = Taxonomy.load("lizard")
    return Nuclei(
        taxonomy,
        MPP,
        np.arange(1, count + 1),
        random.choice(taxonomy.ids, count, p=[0.02, 0.5, 0.2, 0.05, 0.03, 0.2]),
        x,
        y,
        np.pi * radius.prod((1, 2)) * MPP**2,
        random.dirichlet(np.ones(len(taxonomy)), count),
        vertices,
        np.arange(count + 1) * VERTICES,
        {"eccentricity": random.random(count).astype(np.float32)},
    )


def write_result(folder: Path, slide: Path, count: int, edge: int, tissue: float) -> Path:
    out = folder / f"nuclei-{count}"
    if not out.exists():
        nuclei = make_nuclei(count, edge, tissue, seed=0)
        context = ExportContext(slide.name, (edge, edge), MPP, nuclei.taxonomy, "made", "1")
        with open_writers(out, slide.stem, ["parquet"], context) as writers:
            for start in range(0, count, 20_000):
                writers.write(nuclei.take(np.arange(start, min(count, start + 20_000))))
    return out


class Server:
    """The command as a person runs it, and requests to it."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "karyoscope", "view", *arguments, "--no-browser"]
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.link = self.process.stdout.readline().strip()
        self.address = self.link.split("//")[1].split("/")[0]
        self._cookie = ""

    def enter(self) -> None:
        connection = http.client.HTTPConnection(self.address)
        connection.request("GET", "/open" + self.link.partition("/open")[2])
        answer = connection.getresponse()
        self._cookie = str(answer.getheader("set-cookie")).partition(";")[0]

    def get(self, path: str, connection: http.client.HTTPConnection | None = None) -> bytes:
        connection = connection or http.client.HTTPConnection(self.address)
        connection.request("GET", f"/data/{path}", headers={"cookie": self._cookie})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {data[:200]!r}")
        return data

    def many(self, paths: list[str]) -> dict[str, float]:
        """Send requests over a few connections: milliseconds, and requests per second."""

        def run(part: list[str]) -> list[tuple[float, int]]:
            connection = http.client.HTTPConnection(self.address)
            found = []
            for path in part:
                start = time.perf_counter()
                size = len(self.get(path, connection))
                found.append((1000 * (time.perf_counter() - start), size))
            return found

        start = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            parts = pool.map(run, [paths[k::CONNECTIONS] for k in range(CONNECTIONS)])
            found = [one for part in parts for one in part]
        seconds = time.perf_counter() - start
        times = [ms for ms, _ in found]
        return {
            "median_ms": round(float(np.median(times)), 1),
            "p99_ms": round(float(np.percentile(times, 99)), 1),
            "per_second": round(len(paths) / seconds, 1),
            "kilobytes": round(float(np.mean([size for _, size in found])) / 1000, 1),
        }

    def memory_mb(self, peak: bool = False) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", status)
        return round(int(found[1]) / 1024, 1) if found else float("nan")

    def stop(self) -> None:
        self.process.send_signal(2)
        self.process.wait(10)


def measure(out: Path, slide: Path, browser: bool) -> dict[str, Any]:
    server = Server(str(out), "--slides", str(slide))
    try:
        row: dict[str, Any] = {"nuclei": int(out.name.rpartition("-")[2])}
        row["link_s"] = round(time.perf_counter() - server.began, 2)
        server.enter()
        start = time.perf_counter()

        def lap(name: str) -> None:
            row[name] = round(time.perf_counter() - start, 3)

        info = json.loads(server.get("slides/s0/info.json"))
        server.get(f"slides/s0/tiles/{info['levels'] - 1}/0_0.jpg")
        lap("first_picture_s")
        result = json.loads(server.get("results/r0/info.json"))
        lap("table_open_s")
        server.get(f"results/r0/density/{result['levels'] - 1}/0_0.bin")
        lap("full_density_s")
        server.get(f"results/r0/nuclei/{result['across'] // 2}_{result['down'] // 2}.arrow")
        lap("first_outlines_s")
        random = np.random.default_rng(0)
        across = info["width"] // info["tile"]
        places = random.integers(0, across, (400, 2)).tolist()
        row["tiles"] = server.many([f"slides/s0/tiles/0/{x}_{y}.jpg" for x, y in places])
        # A pan: neighbouring tiles, one row after the other.
        pan = [f"slides/s0/tiles/0/{x}_{y}.jpg" for y in range(8, 18) for x in range(8, 28)]
        row["pan"] = server.many(pan)
        at = random.integers(0, result["across"], (200, 2)).tolist()
        row["nuclei_tiles"] = server.many([f"results/r0/nuclei/{x}_{y}.arrow" for x, y in at])
        row["memory_mb"], row["peak_mb"] = server.memory_mb(), server.memory_mb(peak=True)
    finally:
        server.stop()
    if browser:
        row["browser"] = in_browser(out, slide)
    return row


#: Ten steps of a pan at full resolution: milliseconds until each is drawn.
PAN = """async () => {
  const { state, move } = karyoscope, drawn = () => new Promise(requestAnimationFrame);
  move(state.x, state.y, 0);
  await new Promise((done) => setTimeout(done, 8000));
  const times = [];
  for (let i = 0; i < 10; i++) {
    const start = performance.now();
    move(state.x + 40, state.y, state.zoom);
    await drawn();
    await drawn();
    times.push(performance.now() - start);
  }
  return times;
}"""


def browser_memory_mb() -> int:
    """Memory of the browser's processes; what they share is counted once."""
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "status").read_text("utf-8")
            parents[int(process.name)] = int(re.search(r"PPid:\s+(\d+)", status)[1])  # type: ignore[index]
            if re.search(r"Name:\s+chrom", status):
                text = (process / "smaps_rollup").read_text("utf-8")
                sizes[int(process.name)] = int(re.search(r"Pss:\s+(\d+)", text)[1])  # type: ignore[index]
        except (OSError, TypeError):
            continue  # it ended, or is of somebody else

    def mine(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    return round(sum(size for process, size in sizes.items() if mine(process)) / 1024)


def in_browser(out: Path, slide: Path) -> dict[str, float]:
    """Seconds in Chromium, drawing without a GPU: to the first picture, densities, outlines."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader"]
    flags += ["--enable-unsafe-swiftshader"]
    server = Server(str(out), "--slides", str(slide))
    asked: dict[str, float] = {}
    try:
        with sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
            page = chromium.new_page(viewport={"width": 1440, "height": 900})
            start = time.perf_counter()

            def note(answer: Any) -> None:
                for kind in ("tiles", "density", "nuclei"):
                    if f"/{kind}/" in answer.url:
                        asked.setdefault(kind, round(time.perf_counter() - start, 2))

            page.on("response", note)
            page.goto(server.link)
            while not {"tiles", "density"} <= set(asked) and time.perf_counter() - start < 60:
                page.wait_for_timeout(20)
            page.wait_for_timeout(3000)
            jump = time.perf_counter()
            page.evaluate("karyoscope.move(15000, 15000, -1)")
            while "nuclei" not in asked and time.perf_counter() - jump < 60:
                page.wait_for_timeout(20)
            page.wait_for_timeout(3000)
            frames = page.evaluate(PAN)
            memory = browser_memory_mb()
            chromium.close()
            return {
                "first_picture_s": asked["tiles"],
                "density_s": asked["density"],
                "outlines_after_jump_s": round(asked["nuclei"] - (jump - start), 2),
                "pan_frame_ms": [round(float(np.percentile(frames, p))) for p in (50, 99)],
                "browser_mb": memory,
            }
    finally:
        server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nuclei", type=int, action="append")
    parser.add_argument("--edge", type=int, default=30_000, help="of the slide, in pixels")
    parser.add_argument("--tissue", type=float, default=0.5)
    parser.add_argument("--browser", action="store_true", help="measure in Chromium, too")
    parser.add_argument("--keep", type=Path, help="keep slide and tables in this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        slide = folder / "made.svs"
        if not slide.exists():
            make_slide(slide, arguments.edge, arguments.tissue)
        for count in arguments.nuclei or [1_000_000]:
            out = write_result(folder, slide, count, arguments.edge, arguments.tissue)
            print(json.dumps(measure(out, slide, arguments.browser)), flush=True)


if __name__ == "__main__":
    main()
