"""Kill `karyoscope segment` at random moments, run it again, and compare the result to the bit.

python benchmarks/kills.py [SLIDE] [--kills N] [--seed N] [-- OPTIONS OF segment]

Each round kills (SIGKILL) one fresh run at a random moment of its course, and the runs that go on
at further random moments now and then, until one of them ends. Its files must be those of a run
that nobody disturbed, byte for byte; of the summary all but the seconds.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "CMU-1-Small-Region.svs"
COMMAND = [sys.executable, "-c", "from karyoscope.cli import main; main()", "segment"]


def start(slide: Path, out: Path, options: list[str]) -> subprocess.Popen[str]:
    command = [*COMMAND, str(slide), "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def content(out: Path) -> dict[str, bytes | dict]:
    """All files, hidden ones too, by name."""
    files: dict[str, bytes | dict] = {}
    for path in out.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(out))
            files[name] = path.read_bytes()
            if name.endswith(".summary.json"):
                files[name] = {**json.loads(path.read_text()), "seconds": None}
    return files


def blocks_kept(out: Path) -> int:
    return len(list(out.glob(".*.journal/*.arrow")))


def disturbed(
    slide: Path, out: Path, options: list[str], duration: float, chance: random.Random
) -> list[int]:
    """Kill a run, and perhaps those that go on, until one ends; blocks that each kill left."""
    kept: list[int] = []
    while True:
        process = start(slide, out, options)
        again = not kept or chance.random() < 0.3
        limit = chance.uniform(0, duration) if again else None
        try:
            _, reported = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kept.append(blocks_kept(out))
            continue
        if process.returncode != 0:
            raise SystemExit(f"a run that went on failed:\n{reported}")
        return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slide", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    arguments, options = parser.parse_args(given[:end]), given[end + 1 :]
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="karyoscope-kills-") as folder:
        whole = Path(folder) / "whole"
        # The first run on a machine compiles, so it is the second that is timed.
        for out in (Path(folder) / "first", whole):
            began = time.perf_counter()
            process = start(arguments.slide, out, options)
            _, reported = process.communicate()
            if process.returncode != 0:
                raise SystemExit(reported)
            duration = time.perf_counter() - began
        expected = content(whole)
        print(f"undisturbed: {duration:.1f} s, {len(expected)} files")
        kills = rounds = 0
        while kills < arguments.kills:
            rounds += 1
            out = Path(folder) / f"round-{rounds}"
            kept = disturbed(arguments.slide, out, options, duration, chance)
            found = content(out)
            if found != expected:
                wrong = {n for n in found.keys() | expected if found.get(n) != expected.get(n)}
                raise SystemExit(f"after kills at {kept} blocks these differ: {sorted(wrong)}")
            kills += len(kept)
            shutil.rmtree(out)
            what = f"killed with {kept} blocks done" if kept else "ended before it was killed"
            print(f"{what}: identical ({kills} kills)", flush=True)
    print(f"{kills} kills, identical each time")


if __name__ == "__main__":
    main()
