"""The exponential moving average of the weights, without waiting for the device."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn


class MovingAverage(WeightAveraging):
    r"""Average the weights over the steps; validation and the final weights use the average.

    .. math:: a \leftarrow d\, a + (1 - d)\, w

    The averaging of :mod:`torch.optim.swa_utils` asks the device at every step how many steps there
    were, for which a GPU has to finish its work first: a fifth of the time of a step on an H100.

    Parameters
    ----------
    decay : float
        d.
    device : str
        Where the weights are trained; the average lies there too.
    """

    def __init__(self, decay: float, device: str) -> None:
        super().__init__(device=device)
        self.decay = decay
        self._pairs: tuple[list[Tensor], list[Tensor]] | None = None

    @torch.no_grad()
    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Take the weights of the step into the average."""
        if trainer.global_step <= self._latest_update_step:
            return
        self._latest_update_step = trainer.global_step
        assert self._average_model is not None, "set up before training starts"
        if self._pairs is None:
            self._pairs = _floating(self._average_model.module), _floating(pl_module)
        average, weights = self._pairs
        torch._foreach_lerp_(average, weights, 1 - self.decay)


def _floating(module: nn.Module) -> list[Tensor]:
    """Weights and statistics; counters of steps are of no use in an average."""
    return [t for t in (*module.parameters(), *module.buffers()) if t.is_floating_point()]
