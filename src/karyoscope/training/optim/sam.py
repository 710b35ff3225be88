"""Sharpness-Aware Minimization (Foret et al., ICLR 2021; mbzuai, section III.C)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from karyoscope.core.errors import KaryoscopeError


class SAM(Optimizer):
    r"""Any optimiser, led by the gradient at the worst point nearby.

    .. math::

        \hat\epsilon = \rho \frac{\nabla L(w)}{\lVert \nabla L(w) \rVert_2}, \qquad
        w \leftarrow \mathrm{step}\left(w, \nabla L(w + \hat\epsilon)\right)

    with the norm over all weights together. A step takes two forward and backward passes over the
    same batch, with the same random numbers (dropout), so that both gradients are of one function.

    Parameters
    ----------
    base : Optimizer
        Takes the step. Rates are scheduled and state is saved as if it were alone.
    rho : float
        Radius, 0.05 in Foret et al.; mbzuai does not give its own.
    second_pass : callable, optional
        Gives a context for the second pass, at weights that are not the model's own: what gathers
        statistics, such as batch normalisation, must not take them there.
    """

    def __init__(
        self,
        base: Optimizer,
        rho: float = 0.05,
        second_pass: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        if rho <= 0:
            raise KaryoscopeError(f"the radius of SAM is positive, got {rho}")
        self.base = base
        self.rho = rho
        self.second_pass = second_pass
        super().__init__(base.param_groups, base.defaults)
        self._share()

    def _share(self) -> None:
        # The very lists of the base, so that a schedule of this optimiser moves the base's rates.
        self.param_groups = self.base.param_groups
        self.state = self.base.state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """Take one step.

        Parameters
        ----------
        closure : callable
            Clears the gradients, computes the loss, propagates it backwards and returns it.

        Returns
        -------
        object
            What the closure gives at the weights as they are.
        """
        if closure is None:
            raise KaryoscopeError("SAM needs a closure that computes the loss a second time")
        dice = _random_state()
        with torch.enable_grad():
            loss = closure()
        weights = self._climb()
        _set_random_state(dice)
        with torch.enable_grad(), self.second_pass():
            closure()
        with torch.no_grad():
            for parameter, before in weights:
                parameter.copy_(before)
        self.base.step()
        return loss

    @torch.no_grad()
    def _climb(self) -> list[tuple[Tensor, Tensor]]:
        """Move to the worst point nearby; return parameters with the weights they had."""
        moved = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        if not moved:
            return []
        weights = [(p, p.clone()) for p in moved]
        norm = torch.stack([p.grad.norm() for p in moved]).norm()
        scale = self.rho / (norm + 1e-12)
        for p in moved:
            p.add_(p.grad * scale)
        return weights

    def state_dict(self) -> dict[str, Any]:
        """State of the base optimiser."""
        return self.base.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the base optimiser."""
        self.base.load_state_dict(state_dict)
        self._share()


def _random_state() -> list[Tensor]:
    """State of the generators that a forward pass may draw from: CPU, and GPU where in use."""
    state = [torch.get_rng_state()]
    return [*state, torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else state


def _set_random_state(state: list[Tensor]) -> None:
    torch.set_rng_state(state[0])
    if len(state) > 1:
        torch.cuda.set_rng_state(state[1])
