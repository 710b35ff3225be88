"""What each step of a run costs one thread, and which of them would bound a machine with a GPU.

    python benchmarks/stages.py                       # the shipped slide, 16 cores
    python benchmarks/stages.py --slide other.svs --cores 32 --formats parquet,geojson

Processor time of the thread that does a step, in ms for each Mpx of the model, so that other work
on the machine matters little. From it a machine is modelled whose network takes no processor time:
reading, post-processing and writing have the threads of ``threads_for``, one format a thread at
most, and what is left runs in the thread that orders the blocks. Assumed, and not measured: threads
do not wait for each other (compiled loops, decoders and NumPy let others run, Python's own steps
do not), and cores are as fast as these when all are busy.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import karyoscope.pipeline.stream.blocks as stream
import karyoscope.pipeline.stream.windows as windows
import karyoscope.pipeline.to_files as to_files
from karyoscope.formats.base import Writer
from karyoscope.inference import Engine, Maps
from karyoscope.pipeline import Journal, SegmentOptions, prepare_model, segment_file, threads_for
from karyoscope.pipeline.measures.measuring import Measuring
from karyoscope.pipeline.measures.quality import FaultTally
from karyoscope.pipeline.options import FORMATS
from karyoscope.pipeline.reading import LenientReader
from karyoscope.pipeline.tiling.mosaic import Mosaic
from karyoscope.slides import open_slide

SLIDE = Path(__file__).parents[1] / "examples" / "CMU-1-Small-Region.svs"


class Stopwatch:
    """Adds up the processor time of functions, with all that they call."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def watch(self, owner: Any, name: str, step: str | Callable[[Any], str]) -> None:
        """Replace a function of a module or class by one that is watched."""
        function = getattr(owner, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            label = step if isinstance(step, str) else step(arguments[0])
            start = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[label] += time.thread_time() - start

        setattr(owner, name, watched)


class Gpu(Engine):
    """Stands for a GPU in the choice of threads."""

    device, batch, calls_at_once = "none", 4, 2

    def run(self, images: Any) -> Maps:
        raise NotImplementedError


def watch_all() -> Stopwatch:
    """Watch the steps of a run."""
    watch = Stopwatch()
    watch.watch(LenientReader, "read", "reading")
    watch.watch(windows, "core_of", "to half precision")
    watch.watch(Mosaic, "assemble", "assembling")
    watch.watch(stream, "_nuclei_of", "post-processing")
    watch.watch(Journal, "put", "journal")
    watch.watch(Measuring, "write", "features and formats")
    watch.watch(FaultTally, "add", "faults")
    watch.watch(Writer, "write", lambda writer: f"format {writer.name}")
    watch.watch(Writer, "finish", lambda writer: f"end of {writer.name}")
    watch.watch(to_files, "quality_of", "quality control")
    watch.watch(to_files, "area_of", "tissue")
    return watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slide", type=Path, default=SLIDE)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    formats = tuple(args.formats.split(","))
    model = prepare_model("lizard", "cpu", formats=formats)
    with open_slide(args.slide) as slide:
        grid = slide.grid(model.mpp)
        mpx = grid.width * grid.height / 1e6
    watch, runs = watch_all(), []
    for _ in range(args.repeat + 1):
        watch.seconds.clear()
        with tempfile.TemporaryDirectory() as out:
            segment_file(args.slide, out, model, SegmentOptions(formats))
        runs.append(dict(watch.seconds))
    # The first run compiles; of the others the least, which other work disturbed least.
    cost = {step: 1000 * min(run.get(step, 0) for run in runs[1:]) / mpx for step in runs[-1]}
    for step, each in sorted(cost.items(), key=lambda item: -item[1]):
        print(f"{step:24} {each:8.2f} ms/Mpx")

    threads = threads_for(Gpu(), args.cores)
    written = [each for step, each in cost.items() if step.startswith("format ")]
    features = cost["features and formats"] - sum(written)
    blocks = cost["post-processing"] + cost["assembling"]
    writing = max(max(written), sum(written) / max(1, threads.writing))
    ordering = features + cost.get("journal", 0) + cost["faults"] + writing
    print(f"\n{args.cores} cores, a GPU, {threads}:")
    for step, each, number in (
        ("reading", cost["reading"], threads.reading),
        ("to half precision", cost["to half precision"], Gpu.calls_at_once),
        ("post-processing", blocks, threads.postprocessing),
        ("ordering and writing", ordering, 1),
    ):
        print(f"{step:24} {number} x {1000 / each:6.0f} = {1000 * number / each:6.0f} Mpx/s")


if __name__ == "__main__":
    main()
