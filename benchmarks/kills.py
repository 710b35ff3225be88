"""Kill a command at random moments, run it again, and compare the result to the bit.

python benchmarks/kills.py [COMMAND] [--kills N] [--signal NAME] [--seed N] [--slide SLIDE]
    [-- OPTIONS OF segment]

COMMAND is segment (by default), train, tune, restain or cohort. Each round ends one fresh run at a
random moment of its course, and the runs that go on at further random moments now and then, until
one of them ends by itself. Its files must then be those of a run that nobody disturbed, byte for
byte; of a summary all but the seconds, of a training the weights. With a signal other than SIGKILL
(SIGINT, SIGTERM, SIGHUP) the run must also end with 128 + its number, without a traceback, and
leave nothing but what the next run goes on from.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "CMU-1-Small-Region.svs"
PROGRAM = [sys.executable, "-c", "from karyoscope.cli import main; main()"]


def begin(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def start(slide: Path, out: Path, options: list[str]) -> subprocess.Popen[str]:
    return begin("segment", slide, "--out", out, *options)


def content(out: Path) -> dict[str, bytes | dict]:
    """All files, hidden ones too, by name."""
    files: dict[str, bytes | dict] = {}
    for path in out.rglob("*"):
        if path.is_file():
            name = str(path.relative_to(out))
            files[name] = path.read_bytes()
            if name.endswith(".summary.json"):
                files[name] = {**json.loads(path.read_text("utf-8")), "seconds": None}
    return files


def weights(out: Path) -> dict[str, bytes | dict]:
    """Tensors of the last checkpoint, and all files that were left behind."""
    import torch

    state = torch.load(out / "last.ckpt", weights_only=True)["state_dict"]
    found: dict[str, bytes | dict] = {n: t.float().numpy().tobytes() for n, t in state.items()}
    return found | {p.name: b"" for p in out.rglob("*partial*")}


@dataclass
class Job:
    """A command: how it is begun afresh and again, and what it leaves."""

    first: Callable[[Path], subprocess.Popen[str]]
    content: Callable[[Path], dict[str, bytes | dict]] = content
    again: Callable[[Path], subprocess.Popen[str]] | None = None
    prepare: Callable[[Path], None] = field(default=lambda out: None)


def jobs(folder: Path, slide: Path, options: list[str]) -> dict[str, Callable[[], Job]]:
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "training")]
    annotated = ROOT / "tests" / "data" / "dsb2018"

    def train() -> Job:
        from tiny_recipe import write_recipe

        (folder / "recipe").mkdir()
        training = {"steps": 40, "checkpoint_every": 5}
        recipe = write_recipe(folder / "recipe", training=training, validation={"every": 8})

        def run(out: Path, *also: str) -> subprocess.Popen[str]:
            return begin("train", recipe, "--out", out, "--device", "cpu", *also)

        def again(out: Path) -> subprocess.Popen[str]:
            begun = (out / "last.ckpt").exists()
            if not begun:
                shutil.rmtree(out, ignore_errors=True)
            return run(out, *["--resume"] * begun)

        return Job(run, weights, again)

    def restain() -> Job:
        changes = ["--set", "steps=30", "--set", "width=4", "--set", "batch_size=1"]

        def run(out: Path, *also: str) -> subprocess.Popen[str]:
            where = ["--target", str(slide), "--out", str(out), "--device", "cpu"]
            return begin("restain", "train", *where, *changes, *also)

        def again(out: Path) -> subprocess.Popen[str]:
            begun = (out / "last.ckpt").exists()
            if not begun:
                shutil.rmtree(out, ignore_errors=True)
            return run(out, *["--resume"] * begun)

        return Job(run, weights, again)

    def tune() -> Job:
        images = shutil.copytree(annotated, folder / "annotated")

        def run(out: Path) -> subprocess.Popen[str]:
            made = ["--truth", str(images), "--out", str(out / "bundle"), "--rounds", "1"]
            made += [
                "--mpp",
                "0.5",
                "--classes",
                "lizard",
            ]  # scale and classes are of no matter here
            return begin("tune", "lizard", *made, "--score", "pq")

        return Job(run)

    def cohort() -> Job:
        made = folder / "results"
        if start(slide, made, ["--format", "csv"]).wait():
            raise SystemExit("the slide cannot be segmented")
        (summary,) = made.glob("*.summary.json")

        def prepare(out: Path) -> None:
            out.mkdir()
            for number in range(300):
                shutil.copy(summary, out / f"slide-{number}.summary.json")

        def named_alike(out: Path) -> dict[str, bytes | dict]:
            # The page names its folder.
            found = content(out)
            page = found["cohort.html"]
            assert isinstance(page, bytes)
            return found | {"cohort.html": page.replace(out.name.encode(), b"folder")}

        return Job(lambda out: begin("cohort", out), named_alike, prepare=prepare)

    return {
        "segment": lambda: Job(lambda out: start(slide, out, options)),
        "train": train,
        "tune": tune,
        "restain": restain,
        "cohort": cohort,
    }


def leftovers(out: Path) -> list[str]:
    """What a run that ended in good order must not leave."""
    return sorted(p.name for p in out.glob("**/*") if p.name.endswith((".partial", ".lock")))


def disturbed(
    job: Job, out: Path, duration: float, chance: random.Random, number: signal.Signals
) -> list[float]:
    """End a run, and perhaps those that go on, until one ends by itself; seconds of each."""
    ended: list[float] = []
    job.prepare(out)
    while True:
        process = (job.again or job.first)(out) if ended else job.first(out)
        again = not ended or chance.random() < 0.3
        limit = chance.uniform(0, duration) if again else None
        try:
            _, reported = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
            _, reported = process.communicate()
            if number != signal.SIGKILL and process.returncode:
                # Before Python has begun, the system ends the process.
                orderly = process.returncode in (128 + number, -number)
                if not orderly or "Traceback" in reported or leftovers(out):
                    code = process.returncode
                    raise SystemExit(f"exit code {code}, {leftovers(out)}\n{reported}") from None
            ended.append(round(limit or 0, 1))
            continue
        if process.returncode != 0:
            raise SystemExit(f"a run that went on failed:\n{reported}")
        return ended


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ("segment", "train", "tune", "restain", "cohort")
    parser.add_argument("command", nargs="?", choices=names, default="segment")
    parser.add_argument("--slide", type=Path, default=EXAMPLE)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--signal", default="SIGKILL", help="SIGKILL, SIGINT, SIGTERM or SIGHUP")
    parser.add_argument("--seed", type=int, default=0)
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    arguments, options = parser.parse_args(given[:end]), given[end + 1 :]
    chance, number = random.Random(arguments.seed), signal.Signals[arguments.signal]
    with tempfile.TemporaryDirectory(prefix="karyoscope-kills-") as folder:
        job = jobs(Path(folder), arguments.slide, options)[arguments.command]()
        whole = Path(folder) / "whole"
        # The first run on a machine compiles, so it is the second that is timed.
        for out in (Path(folder) / "first", whole):
            job.prepare(out)
            began = time.perf_counter()
            process = job.first(out)
            _, reported = process.communicate()
            if process.returncode != 0:
                raise SystemExit(reported)
            duration = time.perf_counter() - began
        expected = job.content(whole)
        print(f"undisturbed: {duration:.1f} s, {len(expected)} files or weights", flush=True)
        kills = rounds = 0
        while kills < arguments.kills:
            rounds += 1
            out = Path(folder) / f"round-{rounds}"
            began = time.perf_counter()
            ended = disturbed(job, out, duration, chance, number)
            if not ended:  # other work on the machine has ended since
                duration = time.perf_counter() - began
            found = job.content(out)
            if found != expected:
                wrong = {n for n in found.keys() | expected if found.get(n) != expected.get(n)}
                raise SystemExit(f"after ends at {ended} s these differ: {sorted(wrong)}")
            kills += len(ended)
            shutil.rmtree(out)
            what = f"{number.name} after {ended} s" if ended else "ended before the signal"
            print(f"{what}: identical ({kills})", flush=True)
    print(f"{arguments.command}: {kills} times {number.name}, identical each time")


if __name__ == "__main__":
    main()
