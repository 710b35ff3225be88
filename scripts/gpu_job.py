r"""One prepared command for a lent GPU: check it, train, score, report, within a set time.

    karyoscope data pack lizard-large --compress --out training.zip
    python scripts/gpu_job.py --packed training.zip --out OUT --check
    python scripts/gpu_job.py --packed training.zip --out OUT --train lizard-large=240 \
        --train lizard-student=240

The training set is in one file, so that no dataset and, but for recipes with a stain, none of the
analyst's packages need to be there; ``--packed RECIPE:FILE`` names one of a recipe with other
classes or another scale. ``--check`` compares the device with the CPU, measures its fastest
convolution and the tiles a second of every recipe beside it. Each ``--train RECIPE=SECONDS`` trains
one recipe for so long, in the order given; a recipe that names ``runs/RECIPE`` as its teacher finds
the one trained before, and one that fails is named in the report; the exit code is then 1. ``--set
RECIPE:KEY=VALUE`` changes a key of a recipe, ``--set KEY=VALUE`` of all.

``OUT`` then holds ``report.md`` and ``report.json``, and for each recipe ``RECIPE.safetensors``
(the averaged weights, large tensors in half precision), ``RECIPE.yaml`` (the recipe as it was run)
and ``RECIPE.csv`` (losses and scores); none of these with ``--scores-alone``.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import logging
import platform
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from karyoscope.training.curves import read_log
from karyoscope.training.data import PixelBank, TileBatches
from karyoscope.training.module import NucleusModule
from karyoscope.training.packed import read_packed
from karyoscope.training.recipe import Recipe, load_recipe
from karyoscope.training.run import batches_of, train

#: The shipped models, then the five systems.
RECIPES = ("lizard", "lizard-large", "lizard-student", "hovernet", "qu", "smile", "bern", "mbzuai")

log = logging.getLogger("gpu_job")


def main() -> None:
    """Run the stages that were asked for, and write the report after each."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    arguments = parsed()
    arguments.out.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {"device": about_device(arguments.device)}
    if arguments.check:
        report |= check(arguments)
        write_report(report, arguments.out)
    for name, seconds in arguments.train:
        try:
            done = train_one(name, seconds, arguments)
        except Exception as error:
            # One recipe that fails must not cost the time of the others.
            log.exception("%s", name)
            done = {"failed": _one_line(error)}
        report.setdefault("trained", {})[name] = done
        write_report(report, arguments.out)
    rows = [*report.get("pace", {}).values(), *report.get("trained", {}).values()]
    sys.exit(any("failed" in row for row in rows))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--packed", type=_pack, action="append", required=True, metavar="[RECIPE:]FILE"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="Folder of the runs.")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--check-recipes", nargs="*", default=list(RECIPES), metavar="RECIPE")
    parser.add_argument("--check-steps", type=int, default=10)
    parser.add_argument(
        "--train", type=_part, action="append", default=[], metavar="RECIPE=SECONDS"
    )
    parser.add_argument("--scores-alone", action="store_true", help="Write the report alone.")
    parser.add_argument("--set", dest="changes", action="append", default=[])
    arguments = parser.parse_args()
    arguments.packed = dict(arguments.packed)
    return arguments


def _pack(text: str) -> tuple[str, Path]:
    recipe, colon, file = text.partition(":")
    # One letter before a colon is a drive.
    named = colon and re.fullmatch(r"[A-Za-z0-9_-]{2,}", recipe)
    return (recipe, Path(file)) if named else ("", Path(text))


def pack_of(name: str, arguments: argparse.Namespace) -> Path:
    """The training set of a recipe: its own, or that of all."""
    packs: dict[str, Path] = arguments.packed
    if name not in packs and "" not in packs:
        raise ValueError(f"no --packed for {name}")
    return packs.get(name) or packs[""]


def _part(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    return name, float(seconds)


def changed(name: str, arguments: argparse.Namespace) -> Recipe:
    """A recipe with the command's changes of it."""
    own = [change.partition(":") for change in arguments.changes]
    return load_recipe(
        name,
        [
            rest if colon and "=" not in first else first + colon + rest
            for first, colon, rest in own
            if not colon or "=" in first or first == name
        ],
    )


def about_device(device: str) -> dict[str, Any]:
    """Name, software, and the fastest convolution of a device."""
    # Many systems do not name their processor.
    cpu = platform.processor() or f"CPU ({platform.machine()})"
    name = torch.cuda.get_device_name() if device == "cuda" else cpu
    return {"name": name, "torch": torch.__version__, "tflops": round(peak(device), 1)}


def peak(device: str) -> float:
    """Rate of a 3x3 convolution of 256 channels in bf16, forwards: 1e12 operations a second."""
    edge, batch, repeats = (64, 64, 20) if device == "cuda" else (32, 2, 3)
    layer = torch.nn.Conv2d(256, 256, 3, padding=1, bias=False, device=device).bfloat16()
    layer = layer.to(memory_format=torch.channels_last)
    x = torch.randn(batch, 256, edge, edge, device=device, dtype=torch.bfloat16)
    x = x.to(memory_format=torch.channels_last)
    with torch.no_grad():
        seconds = timed(lambda: layer(x), repeats, device)
    return 2 * 9 * 256**2 * batch * edge**2 / seconds / 1e12


def timed(work: Any, repeats: int, device: str) -> float:
    """Mean time of a call after three that are not counted."""
    for _ in range(3):
        work()
    _wait(device)
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    _wait(device)
    return (time.perf_counter() - start) / repeats


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def check(arguments: argparse.Namespace) -> dict[str, Any]:
    """Compare the device with the CPU, and time every recipe."""
    found: dict[str, Any] = {"difference": {}, "pace": {}}
    for name in arguments.check_recipes:
        try:
            recipe = _without_pretrained(changed(name, arguments))
            start = time.monotonic()
            bank = read_packed(pack_of(name, arguments), recipe)
            log.info("read %d images in %.0f s", len(bank), time.monotonic() - start)
            small = _first_images(bank, 6)
            # A teacher that says nothing, so that the student's recipe runs without a trained one.
            blank = torch.zeros(len(small.rgb), 2 + small.n_classes, dtype=torch.uint8)
            small = dataclasses.replace(small, soft=blank)
            if arguments.device == "cuda" and name.startswith("lizard"):
                found["difference"][name] = difference(recipe, small)
            found["pace"][name] = pace(recipe, small, arguments)
        except Exception as error:
            # One recipe that fails must not cost the time of the others.
            log.exception("%s", name)
            found["pace"][name] = {"failed": _one_line(error)}
        log.info("%s: %s", name, json.dumps(found["pace"][name]))
    return found


def _first_images(bank: PixelBank, count: int) -> PixelBank:
    """A bank of the first images alone: enough to measure by."""
    pixels = int((bank.heights * bank.widths)[:count].sum())
    parts = {name: getattr(bank, name)[:pixels] for name in ("rgb", "ids", "classes")}
    parts |= {
        name: getattr(bank, name)[:count] for name in ("starts", "heights", "widths", "weights")
    }
    return dataclasses.replace(bank, names=bank.names[:count], **parts)


def _without_pretrained(recipe: Recipe) -> Recipe:
    data = recipe.model_dump(mode="json")
    if "pretrained" in data["network"]:
        data["network"]["pretrained"] = False
    for loss in data["losses"]:
        if "pretrained" in loss:
            loss["pretrained"] = False
    return Recipe.model_validate(data | {"start": None})


def difference(recipe: Recipe, bank: PixelBank) -> dict[str, float]:
    """How far loss, gradient and maps of one batch on the GPU are from the CPU's, in float32."""
    data = recipe.model_dump(mode="json")
    data["training"] |= {"precision": "fp32", "batch_size": 2, "tile": 128}
    data["network"] |= {k: 0.0 for k in ("drop_path", "dropout") if k in data["network"]}
    recipe = Recipe.model_validate(data)
    torch.manual_seed(0)
    module = NucleusModule(recipe, bank.n_classes).train()
    module.log = lambda *args, **options: None  # type: ignore[method-assign]
    batch = batches_of(recipe, bank, module).batch(0)
    torch.backends.cudnn.allow_tf32 = False
    values: dict[str, tuple[float, torch.Tensor]] = {}
    # A step moves statistics that the next would read, so each device has a copy of its own.
    modules = {device: copy.deepcopy(module).to(device) for device in ("cpu", "cuda")}
    for device, module in modules.items():
        image, targets = batch
        here = image.to(device), {k: v.to(device) for k, v in targets.items()}
        loss = module.training_step(here, 0)
        loss.backward()
        grads = torch.cat(
            [p.grad.flatten().cpu() for p in module.parameters() if p.grad is not None]
        )
        values[device] = float(loss.detach()), grads
    torch.backends.cudnn.allow_tf32 = True
    (loss, grad), (other, moved) = values["cpu"], values["cuda"]
    return {
        "loss": abs(other - loss) / abs(loss),
        "gradient": float((moved - grad).norm() / grad.norm()),
    }


def pace(recipe: Recipe, bank: PixelBank, arguments: argparse.Namespace) -> dict[str, Any]:
    """Tiles a second of whole steps, the share of batches in it, and the share of the peak."""
    device = arguments.device
    bank = bank.to(device)
    module = NucleusModule(recipe, bank.n_classes).to(device).train()
    module.log = lambda *args, **options: None  # type: ignore[method-assign]
    optimiser: Any = module.configure_optimizers()
    optimiser = optimiser["optimizer"]
    batches: TileBatches = batches_of(recipe, bank, module)
    bf16 = recipe.training.precision == "bf16"

    def closure(batch: Any) -> torch.Tensor:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss = module.training_step(batch, 0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 2.0)
        return loss

    def step() -> None:
        batch = batches.batch(0)
        optimiser.step(lambda: closure(batch))

    repeats = arguments.check_steps
    made = timed(lambda: batches.batch(0), repeats, device)
    ready = batches.batch(0)
    image = ready[0][:1]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(image)
    module.train()
    gflop = counter.get_total_flops() / 1e9
    total = timed(step, repeats, device)
    tiles = recipe.training.batch_size / total
    passes = 2 if recipe.optimiser.sam else 1
    rate = 3 * passes * gflop * tiles / 1e3
    return {
        "batch": recipe.training.batch_size,
        "tiles_per_s": round(tiles, 1),
        "gflop_forward": round(gflop, 1),
        "tflops": round(rate, 2),
        "share_of_peak": round(rate / peak(device), 3),
        "batches_share": round(made / total, 3),
        "gib": round(torch.cuda.max_memory_allocated() / 2**30, 1) if device == "cuda" else None,
    }


def train_one(name: str, seconds: float, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one recipe, and keep its weights, its recipe and its log."""
    start = time.monotonic()
    recipe = changed(name, arguments)
    run = arguments.runs / name
    log.info("training %s for %.0f s", name, seconds)
    packed = pack_of(name, arguments)
    train(recipe, run, device=arguments.device, packed=packed, seconds=seconds)
    kept = () if arguments.scores_alone else ("weights.safetensors", "recipe.yaml", "log.csv")
    for source in kept:
        shutil.copyfile(run / source, arguments.out / f"{name}{Path(source).suffix}")
    rows = read_log(run)
    scores = {k: v for row in rows.values() for k, v in row.items() if k.startswith("val/")}
    return {
        "seconds": seconds,
        "seconds with reading and scoring": round(time.monotonic() - start),
        "steps": max(rows, default=0),
        "batch": recipe.training.batch_size,
        "scores": scores,
    }


def write_report(report: dict[str, Any], out: Path) -> None:
    """Write what is known so far, for people and for programs."""
    (out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    device = report["device"]
    lines = [
        f"{device['name']}, torch {device['torch']}, convolution {device['tflops']} TFLOP/s",
        "",
    ]
    if "pace" in report:
        lines += [
            "| recipe | batch | tiles/s | GFLOP a tile, forwards | TFLOP/s | share of the peak |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        keys = ("batch", "tiles_per_s", "gflop_forward", "tflops", "share_of_peak")
        for name, row in report["pace"].items():
            cells = [str(row[k]) for k in keys] if "failed" not in row else [row["failed"]]
            lines.append(f"| {' | '.join([name, *cells])} |")
        lines.append("")
    for name, row in report.get("trained", {}).items():
        if "failed" in row:
            lines.append(f"{name}: failed: {row['failed']}")
            continue
        scores = ", ".join(f"{k.removeprefix('val/')} {v:.3f}" for k, v in row["scores"].items())
        lines.append(
            f"{name}: {row['seconds']:.0f} s, {row['steps']} steps of {row['batch']} tiles."
            f" Validation: {scores or 'left out'}."
        )
    (out / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    log.info("report:\n%s", "\n".join(lines))


if __name__ == "__main__":
    main()
