"""Cost of confusing one class with another (smile, section II.D)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.losses.labels import IGNORE, at_outputs, mean_where


def expected_cost(probability: Tensor, labels: Tensor, matrix: Tensor) -> Tensor:
    r"""Mean cost that the predicted probabilities are expected to have.

    .. math::

        L = \frac1n \sum_{i=1}^n \sum_{j} m_{(j, y_i)}\, p_{i,j}

    The paper defines the matrix but not how it enters the loss; this is the usual form.

    Parameters
    ----------
    probability : Tensor, shape (b, N, h, w)
        p.
    labels : Tensor of int64, shape (b, h, w)
        y; 255 is not counted.
    matrix : Tensor, shape (N, N)
        Row j, column k: the cost when class k is taken for class j. 0 on the diagonal.
    """
    labelled = labels != IGNORE
    costs = matrix.T[labels.masked_fill(~labelled, 0)].movedim(-1, 1)
    return mean_where((costs * probability).sum(1), labelled)


def cost_matrix(
    counts: Sequence[float], rule: Literal["rarity", "ratio"] = "ratio", largest: float = 10.0
) -> list[list[float]]:
    r"""Costs "according to the ratio of the number of samples".

    Parameters
    ----------
    counts : sequence of float
        Nuclei of each class, without background; background counts as the most frequent.
    rule : {"rarity", "ratio"}
        ``rarity``: :math:`m_{(j,k)} = \max_c n_c / n_k`, whatever class k is taken for.
        ``ratio``: :math:`m_{(j,k)} = \max(1, n_j / n_k)`, so that a rare class is dear to take
        for a frequent one, and the reverse costs 1.
    largest : float
        Greater costs are cut to this; 10 is the greatest of the authors' published matrix.

    Returns
    -------
    list of list of float
        len(counts) + 1 rows and columns, background first.
    """
    if not counts or min(counts) <= 0:
        raise KaryoscopeError(
            f"costs need a positive number of nuclei of each class, got {list(counts)}"
        )
    if rule not in ("rarity", "ratio"):
        raise KaryoscopeError(f"no rule {rule!r} for costs; there are rarity, ratio")
    n = torch.tensor([max(counts), *counts], dtype=torch.float64)
    matrix = n.max() / n.expand(len(n), -1) if rule == "rarity" else n[:, None] / n
    matrix = matrix.clamp(min=1, max=largest)
    return matrix.fill_diagonal_(0).tolist()


class CostSensitive(nn.Module):
    """:func:`expected_cost` of ``types``; to be added to a cross entropy.

    Parameters
    ----------
    n_classes : int
        Classes of nuclei, without background.
    matrix : sequence of sequence of float, optional
        n_classes + 1 rows and columns, background first.
    counts : sequence of float, optional
        In place of the matrix: nuclei of each class, from which :func:`cost_matrix` makes it.
    rule, largest
        See :func:`cost_matrix`.

    Raises
    ------
    KaryoscopeError
        If the matrix does not fit the classes, is negative, or costs something on its diagonal.
    """

    reads = needs = ("types",)

    def __init__(
        self,
        n_classes: int,
        matrix: Sequence[Sequence[float]] | None = None,
        counts: Sequence[float] | None = None,
        rule: Literal["rarity", "ratio"] = "ratio",
        largest: float = 10.0,
    ) -> None:
        super().__init__()
        if (matrix is None) == (counts is None):
            raise KaryoscopeError("a cost-sensitive loss takes either a matrix or counts")
        if counts is not None:
            matrix = cost_matrix(counts, rule, largest)
        n = n_classes + 1
        rows = [list(row) for row in matrix or []]
        if len(rows) != n or any(len(row) != n for row in rows):
            sizes = sorted({len(row) for row in rows}) or [0]
            raise KaryoscopeError(
                f"a cost matrix for {n_classes} classes and background is {n} x {n}, got"
                f" {len(rows)} rows of {' or '.join(map(str, sizes))}"
            )
        self.matrix: Tensor
        self.register_buffer("matrix", torch.tensor(rows, dtype=torch.float32))
        if (self.matrix < 0).any() or self.matrix.diagonal().any():
            raise KaryoscopeError("costs are not negative, and 0 on the diagonal")

    def forward(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """Scalar loss."""
        logits = outputs["types"].float()
        return expected_cost(logits.softmax(1), at_outputs(targets["types"], logits), self.matrix)
