"""Training: tiles a second of each recipe beside its network alone, and where the time goes.

    python benchmarks/train.py [RECIPE ...] [--steps 5] [--device cpu] [--full] [--tile N] [--clock]

The reference of a recipe is the forward and backward pass of the same network in the same run, on
tensors that are ready, without targets, losses and optimiser: what any training loop around it
must spend. The ratio is the time of a whole step over that; SAM takes two passes. Networks are
those of the grid ``small`` (an eighth of the width, small encoders) on tiles of 128 px, or with
``--full`` as the recipe has them; tiles are cut from committed images, four a step. Other recipes
of the package have their own network and tile, but must not have a teacher or be trained on points.
On a CPU processor time is counted, so that other work on the machine matters little; with
``--clock``, and on a GPU always, it is the time that passes, with as many threads as torch takes.

One JSON object a line:

``tiles_per_s``
    Tiles that whole steps train on in a second.
``network_alone``
    Tiles that the reference, the network without the rest, takes in a second.
``ratio``
    Time of a step / time of the reference.
``augmentation``, ``targets``, ``losses_and_optimiser``
    Shares of a step. The last is what is left of it beside the former two and the reference's
    passes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from karyoscope.training.ablation import load_grid
from karyoscope.training.data import TileBatches
from karyoscope.training.data.images import load_training_bank
from karyoscope.training.module import NucleusModule
from karyoscope.training.recipe import Recipe, load_recipe

ROOT = Path(__file__).parents[1]
SMALL = {row.name: row for row in load_grid("small").rows}
#: Keys that say what is trained on; the grid's other keys turn augmentation off, which is kept.
DATA = ("data", "taxonomy", "mpp", "validation.split", "network.pretrained")


def recipe_of(name: str, full: bool, tile: int | None) -> Recipe:
    """A recipe on committed tiles; its augmentation, losses and optimiser are its own."""
    grid = load_grid("small")
    row = SMALL.get(name)
    chosen = {key: value for key, value in grid.set.items() if key in DATA}
    chosen |= {"phases": [], "training.batch_size": 4}
    if row is not None:
        kept = ("losses.",) if full else ("losses.", "network.")
        chosen |= {key: value for key, value in row.set.items() if key.startswith(kept)}
        tile = tile or 128
    if tile:
        chosen["training.tile"] = tile
    return load_recipe(
        name if row is None else row.recipe, [f"{k}={json.dumps(v)}" for k, v in chosen.items()]
    )


def timer(steps: int, device: str, clock: bool) -> Callable[[Callable[[int], object]], float]:
    """Return what measures the least time of a call; processor time, or that which passes."""
    now = time.perf_counter if device == "cuda" or clock else time.process_time

    def seconds(work: Callable[[int], object]) -> float:
        times = []
        for step in range(steps + 1):
            start = now()
            work(step)
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(now() - start)
        return min(times[1:])

    return seconds


def measure(recipe: Recipe, steps: int, device: str, clock: bool) -> dict[str, Any]:
    """Time of a step and of its parts."""
    seconds = timer(steps, device, clock)
    bank = load_training_bank(recipe).to(device)
    module = NucleusModule(recipe, bank.n_classes).to(device).train()
    module.log = lambda *args, **options: None  # type: ignore[method-assign]
    optimiser: Any = module.configure_optimizers()
    optimiser = optimiser["optimizer"]
    settings = recipe.training
    about = (settings.tile, settings.batch_size, recipe.geometry, recipe.colour)
    batches = TileBatches(bank, module.needs, *about)
    bare = TileBatches(bank, [], *about)
    ready = batches.batch(0)

    def forward() -> Any:
        with torch.autocast(device, torch.bfloat16, enabled=settings.precision == "bf16"):
            return module(ready[0])

    def alone(step: int) -> None:
        sum(v.float().square().mean() for v in forward().values()).backward()
        module.zero_grad()

    def closure(batch: Any) -> Any:
        optimiser.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=settings.precision == "bf16"):
            loss = module.training_step(batch, 0)
        loss.backward()
        if recipe.optimiser.clip:
            torch.nn.utils.clip_grad_norm_(module.parameters(), recipe.optimiser.clip)
        return loss

    def whole(step: int) -> None:
        batch = batches.batch(step)
        optimiser.step(lambda: closure(batch))

    reference = seconds(alone)
    augmentation = seconds(bare.batch)
    made = seconds(batches.batch)
    total = seconds(whole)
    passes = 2 if recipe.optimiser.sam else 1
    share = {
        "augmentation": augmentation / total,
        "targets": max(0.0, made - augmentation) / total,
        "losses_and_optimiser": max(0.0, total - made - passes * reference) / total,
    }
    return {
        "recipe": recipe.name,
        "tile": settings.tile,
        "parameters": sum(p.numel() for p in module.network.parameters()),
        "tiles_per_s": settings.batch_size / total,
        "network_alone": settings.batch_size / reference,
        "ratio": total / reference,
        **share,
        "passes": passes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", default=list(SMALL), metavar="RECIPE")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--full", action="store_true", help="Networks at full width.")
    parser.add_argument("--tile", type=int, help="Length of a tile in pixels.")
    parser.add_argument(
        "--clock", action="store_true", help="Time that passes, not processor time."
    )
    arguments = parser.parse_args()
    # The committed tiles are named relative to the repository.
    os.chdir(ROOT)
    for name in arguments.recipes:
        recipe = recipe_of(name, arguments.full, arguments.tile)
        found = measure(recipe, arguments.steps, arguments.device, arguments.clock)
        rounded = {k: float(f"{v:.3g}") if isinstance(v, float) else v for k, v in found.items()}
        print(json.dumps(rounded), flush=True)


if __name__ == "__main__":
    main()
