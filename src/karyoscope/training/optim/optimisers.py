"""Optimisers by name, and forward passes that do not update running statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from karyoscope.training.optim.sam import SAM
from karyoscope.training.optim.settings import Optimiser

OPTIMISERS: dict[str, type[Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}

#: Those that update all weights in one kernel on a GPU.
_FUSED = ("adamw", "adam", "sgd")


def build_optimiser(
    settings: Optimiser,
    encoder: list[nn.Parameter],
    rest: list[nn.Parameter],
    second_pass: Callable[[], AbstractContextManager[Any]],
) -> Optimizer:
    """Build the optimiser over two groups of parameters, the encoder's first.

    Parameters
    ----------
    settings : Optimiser
        Settings of the recipe.
    encoder, rest : list of Parameter
        Parameters of the encoder, and all others of the network.
    second_pass : callable
        See :class:`~karyoscope.training.optim.sam.SAM`.
    """
    groups: list[dict[str, Any]] = [
        {"params": encoder, "lr": settings.lr * settings.encoder_lr},
        {"params": rest},
    ]
    options = settings.own_options()
    if settings.name in _FUSED and all(p.is_cuda for p in (*encoder, *rest)):
        options["fused"] = True
    base = OPTIMISERS[settings.name](
        groups,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        **options,
    )  # type: ignore[call-arg]
    return SAM(base, settings.sam.rho, second_pass) if settings.sam else base


@contextmanager
def statistics_held(network: nn.Module, losses: nn.Module) -> Iterator[None]:
    """Train on without moving running means: of batch normalisation, of the losses' priors.

    Batch normalisation still normalises by the batch.
    """
    norms = [m for m in network.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    learning = losses.training
    for norm in norms:
        norm.track_running_stats = False
    losses.eval()
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
        losses.train(learning)
