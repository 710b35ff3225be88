"""Damage slides at random, read each in a process of its own, and count how that ends.

python benchmarks/damaged.py [--files N] [--seed N]

The slides are small ones of our own making (tests/slides) and the shipped one. A file is cut, or
some of its bytes are changed. It must be read, or refused with one line; a process that is killed
by a signal would have taken a whole batch with it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import open_slide

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "CMU-1-Small-Region.svs"
SECONDS = 60
ENDS = ("read", "refused", "defect")


def slides(folder: Path) -> dict[str, Path]:
    sys.path.insert(0, str(ROOT / "tests" / "slides"))
    import slide_files

    rgb = np.ascontiguousarray(tifffile.imread(EXAMPLE)[700:1031, 700:1167])
    writers = {
        "ndpi": slide_files.write_ndpi,
        "scn": slide_files.write_scn,
        "bif": slide_files.write_bif,
        "mrxs": slide_files.write_mrxs,
        "tif": slide_files.write_tiff_pyramid,
    }
    made = {kind: write(folder / f"a.{kind}", rgb) for kind, write in writers.items()}
    svs = folder / "a.svs"
    svs.write_bytes(EXAMPLE.read_bytes())
    return made | {"svs": svs}


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut short, or some bytes changed: anywhere, in the header or at the end."""
    size, how = len(data), chance.choice(("cut", "noise", "zeros", "ones"))
    if how == "cut":
        return data[: chance.randrange(1, size)]
    first, last = chance.choice(((0, size), (0, min(size, 2000)), (max(0, size - 3000), size)))
    changed = bytearray(data)
    for _ in range(chance.choice((1, 3, 20))):
        start = chance.randrange(first, last)
        for place in range(start, min(size, start + chance.choice((1, 4, 64)))):
            changed[place] = {"zeros": 0, "ones": 255}.get(how, chance.randrange(256))
    return bytes(changed)


def read(path: Path) -> int:
    """Open a slide and read it in small and at three places; 0 read, 1 refused, 2 a defect."""
    warnings.simplefilter("ignore")
    try:
        with open_slide(path, 0.5) as slide:
            slide.thumbnail(256)
            right, bottom = (max(0, edge - 300) for edge in slide.size)
            for x, y in ((0, 0), (right // 2, bottom // 2), (right, bottom)):
                slide.read(x, y, 300, 300)
    except (KaryoscopeError, OSError):
        return 1
    except BaseException:
        traceback.print_exc()
        return 2
    return 0


def end_of_child(run: Callable[[], int], ends: Sequence[str]) -> str:
    """How a process ends that exits with what ``run`` returns: one of ``ends``, or a signal.

    Whatever is raised there is the third end. After a minute the process is stopped by SIGALRM.
    """
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        end = 2
        try:
            end = run()
        finally:
            sys.stderr.flush()
            os._exit(end)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return ends[os.WEXITSTATUS(status)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100, help="of each format")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    folder = Path(tempfile.mkdtemp(prefix="karyoscope-damaged-"))
    try:
        for kind, path in slides(folder).items():
            beside = path.with_suffix("")
            files = [path, *(sorted(beside.iterdir()) if beside.is_dir() else [])]
            ends: Counter[str] = Counter()
            for _ in range(arguments.files):
                file = chance.choice(files)
                sound = file.read_bytes()
                file.write_bytes(damaged(sound, chance))
                ends[end_of_child(partial(read, path), ENDS)] += 1
                file.write_bytes(sound)
            print(f"{kind}: {dict(ends)}", flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
