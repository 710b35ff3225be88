"""Unified Focal loss (Yeung et al., CMIG 2022; mbzuai, section III.B)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.losses.labels import IGNORE, at_outputs, mean_where, truth

Form = Literal["symmetric", "asymmetric"]


def focal_cross_entropy(
    log_probability: Tensor, labels: Tensor, delta: float, gamma: float, form: Form
) -> Tensor:
    r"""Modified focal loss.

    .. math::

        L_F = -\frac1N \sum_i \alpha_{y_i} (1 - p_{i,y_i})^{\gamma_{y_i}} \log p_{i,y_i}

    with :math:`\alpha = 1 - \delta` for background and :math:`\delta` for nuclei, which are rare.
    Symmetric: :math:`\gamma_c = \gamma`; asymmetric: only background is suppressed,
    :math:`\gamma_c = 0` for nuclei.

    Parameters
    ----------
    log_probability : Tensor, shape (b, K, h, w)
    labels : Tensor of int64, shape (b, h, w)
        255 is not counted.
    """
    labelled = labels != IGNORE
    log_p = log_probability.gather(1, labels.masked_fill(~labelled, 0)[:, None])[:, 0]
    background = labels == 0
    alpha = torch.where(background, 1 - delta, delta)
    # The slope of a power below 1 is infinite at 0, which a certain pixel reaches.
    focus = (1 - log_p.exp()).clamp(min=1e-7) ** gamma
    if form == "asymmetric":
        focus = torch.where(background, focus, 1.0)
    return mean_where(-alpha * focus * log_p, labelled)


def focal_tversky(
    probability: Tensor,
    labels: Tensor,
    delta: float,
    gamma: float,
    form: Form,
    per_image: bool = False,
) -> Tensor:
    r"""Modified focal Tversky loss, the mean over labels.

    .. math::

        T_c = \frac{\sum_i p_{ic} g_{ic}}
            {\sum_i p_{ic} g_{ic} + \delta \sum_i (1 - p_{ic}) g_{ic}
             + (1 - \delta) \sum_i p_{ic} (1 - g_{ic})}, \qquad
        L_T = \frac1K \sum_c (1 - T_c)^{\gamma_c}

    Symmetric: :math:`\gamma_c = 1 - \gamma`; asymmetric: only nuclei are enhanced,
    :math:`\gamma_c = 1` for background. The paper sums over labels; their mean, as in the
    authors' code, keeps the balance with the cross entropy for any number of classes.

    Parameters
    ----------
    probability : Tensor, shape (b, K, h, w)
    labels : Tensor of int64, shape (b, h, w)
        255 is not counted.
    per_image : bool
        Sum over the pixels of each image and take the mean of the images' losses, as in the
        authors' code; else sum over those of the whole batch.
    """
    over = (2, 3) if per_image else (0, 2, 3)
    g = truth(labels, probability.shape[1])
    p = probability * (labels != IGNORE)[:, None]
    hit = (p * g).sum(over)
    missed, invented = g.sum(over) - hit, p.sum(over) - hit
    index = (hit + 1e-6) / (hit + delta * missed + (1 - delta) * invented + 1e-6)
    lack = (1 - index).clamp(min=1e-7)
    if form == "symmetric":
        return (lack ** (1 - gamma)).mean()
    return torch.cat([lack[..., :1], lack[..., 1:] ** (1 - gamma)], -1).mean()


class UnifiedFocal(nn.Module):
    r"""Weighted sum of :func:`focal_cross_entropy` and :func:`focal_tversky`.

    .. math:: L = \lambda L_F + (1 - \lambda) L_T

    The rare classes of the paper are those of nuclei. Where the paper gives the symmetric form
    the powers :math:`1 - \gamma` and :math:`\gamma` for cross entropy and Tversky index, and the
    asymmetric one the reverse, both have the latter here, as in the authors' code; at the
    default they are equal.

    Parameters
    ----------
    output : str
        Name of the output, which is that of its labels too.
    form : {"symmetric", "asymmetric"}
        Form of both terms. ``asymmetric`` suppresses only background in the cross entropy and
        enhances only nuclei in the Tversky index; ``symmetric`` does both for all classes.
    balance : float
        :math:`\lambda`, 0 to 1.
    delta : float
        Weight of missed against invented pixels, and of nuclei against background.
    gamma : float
        Suppression of background and enhancement of nuclei, 0 to 1.
    per_image : bool
        See :func:`focal_tversky`.
    """

    def __init__(
        self,
        output: str,
        form: Form = "asymmetric",
        balance: float = 0.5,
        delta: float = 0.6,
        gamma: float = 0.5,
        per_image: bool = False,
    ) -> None:
        super().__init__()
        if form not in ("symmetric", "asymmetric"):
            raise KaryoscopeError(f"no form {form!r} of the Unified Focal loss")
        for name, value in (("balance", balance), ("delta", delta), ("gamma", gamma)):
            if not 0 <= value <= 1:
                raise KaryoscopeError(f"Unified Focal loss: {name} is from 0 to 1, got {value}")
        self.needs = self.reads = (output,)
        self.form: Form = form
        self.balance, self.delta, self.gamma = balance, delta, gamma
        self.per_image = per_image

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        (name,) = self.reads
        logits = outputs[name].float()
        labels = at_outputs(targets[name], logits)
        settings = (self.delta, self.gamma, self.form)
        pixels = focal_cross_entropy(logits.log_softmax(1), labels, *settings)
        regions = focal_tversky(logits.softmax(1), labels, *settings, self.per_image)
        return self.balance * pixels + (1 - self.balance) * regions
