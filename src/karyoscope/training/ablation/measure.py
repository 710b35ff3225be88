"""What a network costs: parameters, operations, and images per second in training."""

from __future__ import annotations

import itertools
import statistics
import time
import warnings
from dataclasses import replace
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.networks import build_network
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.training.ablation.budget import tiles_drawn
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.data.images import load_training_bank
from karyoscope.training.module import NucleusModule
from karyoscope.training.optim.phases import Phases
from karyoscope.training.progress import quiet
from karyoscope.training.recipe.schema import Recipe
from karyoscope.training.run import batches_of

#: Steps that are timed, after those that warm caches up.
TIMED, WARM = 6, 2


def cost_of(recipe: Recipe, seconds_a_step: float) -> dict[str, Any]:
    """Parameters, operations and time per step of a recipe.

    Parameters
    ----------
    recipe : Recipe
    seconds_a_step : float
        From :func:`seconds_a_step`, of a recipe with phases of the same lengths in proportion.

    Returns
    -------
    dict
        ``steps``; ``tiles`` drawn in all; ``images_per_s``, tiles trained per second by one device
        (of the processor on a CPU), at the size that the recipe draws; ``parameters``;
        ``gflop_per_mpx`` of the forward pass.
    """
    name, n_classes = recipe.network.name, len(Taxonomy.load(recipe.taxonomy))
    with torch.device("meta"):
        network = build_network(name, n_classes, **recipe.network.untrained)
        module = Deployed(network, recipe.mean, recipe.std, deployed_outputs(network)).eval()
    settings, tiles = recipe.training, tiles_drawn(recipe)
    return {
        "steps": settings.steps,
        "tiles": tiles,
        "tile": settings.tile,
        "images_per_s": tiles / settings.devices / settings.steps / seconds_a_step,
        "parameters": parameters(network),
        "gflop_per_mpx": gflop_per_mpx(module),
    }


def parameters(network: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for p in network.parameters())


def gflop_per_mpx(module: nn.Module, edge: int = 256) -> float:
    """Operations of a deployed network for a million pixels, in 1e9; a multiply-add is two.

    Nothing is computed: the network may be on the meta device.
    """
    device = next(module.parameters()).device
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(1, edge, edge, 3, dtype=torch.uint8, device=device))
    return counter.get_total_flops() / edge**2 / 1e3


def seconds_a_step(recipe: Recipe, device: str = "auto") -> float:
    """Time of a training step: of the processor on a CPU, else of the clock.

    It is the median over a few steps, and with several phases the mean of their medians, each
    counted by the length of its phase. A step has all the batches that ``training.accumulate``
    says.

    Raises
    ------
    KaryoscopeError
        If the recipe has too few steps to be timed.
    """
    on_gpu = device != "cpu" and torch.cuda.is_available()
    # The network first: weights that are missing are found before any image is read.
    module = NucleusModule(recipe, len(Taxonomy.load(recipe.taxonomy)))
    bank = load_training_bank(recipe)
    if recipe.teacher:
        # A step reads a teacher's probabilities, whatever they are; nobody has to compute them.
        none = bank.rgb.new_zeros(1, 1).expand(len(bank.rgb), 2 + bank.n_classes)
        bank = replace(bank, soft=none)
    bank = bank.to("cuda") if on_gpu else bank
    quiet()
    if not recipe.phases:
        return _median_step(recipe, module, bank, device)
    total, left = 0.0, recipe.training.steps
    for number, phase in enumerate(recipe.phases, 1):
        # The last phase has all steps that are left.
        steps = left if number == len(recipe.phases) else min(left, phase.steps)
        left -= steps
        if steps:
            alone = recipe.model_copy(update={"phases": [phase]})
            total += steps * _median_step(alone, module, bank, device)
    return total / recipe.training.steps


def _median_step(recipe: Recipe, module: NucleusModule, bank: PixelBank, device: str) -> float:
    """Median time of a step of a recipe with one phase at most."""
    clock = _Clock(device != "cpu" and torch.cuda.is_available())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = L.Trainer(
            accelerator="gpu" if device == "cuda" else device,
            devices=1,
            max_steps=WARM + TIMED,
            accumulate_grad_batches=recipe.training.accumulate,
            precision="bf16-mixed" if recipe.training.precision == "bf16" else "32-true",
            callbacks=[*([Phases(recipe.phases)] if recipe.phases else []), clock],
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
        )
        trainer.fit(module, DataLoader(batches_of(recipe, bank, module), None))
    if len(clock.times) <= WARM:
        raise KaryoscopeError(f"recipe {recipe.name!r}: too few steps to measure its speed")
    return statistics.median(b - a for a, b in itertools.pairwise(clock.times[WARM:]))


class _Clock(Callback):
    """The time at the end of each step, data of the next one included."""

    def __init__(self, on_gpu: bool) -> None:
        self.times: list[float] = []
        self._on_gpu = on_gpu

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        if trainer.global_step == len(self.times):
            # A batch whose gradient is kept for the step.
            return
        if self._on_gpu:
            torch.cuda.synchronize()
        self.times.append(time.perf_counter() if self._on_gpu else time.process_time())
