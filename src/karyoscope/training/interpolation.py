"""Weights between those of a model and those that training made of them (WiSE-FT)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_bytes
from karyoscope.training.weights import bears_half

#: The weights that a run began with, in its folder.
PARENT = "parent.safetensors"
_NEW_ROWS = "new_rows"


@dataclass(frozen=True)
class ParentWeights:
    """The weights of a model as a network began with them.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Those that were taken, in the shapes of the network that began with them.
    new_rows : dict of str to list of int
        Rows of these tensors that are not the parent's: those of new classes.
    """

    tensors: Mapping[str, Tensor]
    new_rows: Mapping[str, list[int]]

    def mixed(self, tuned: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
        r"""Weights on the line from the tuned ones to the parent's.

        .. math:: w = (1 - s)\, w_{tuned} + s\, w_{parent}

        with the share :math:`s` (WiSE-FT: Wortsman et al., CVPR 2022, "Robust fine-tuning of
        zero-shot models", where :math:`\alpha = 1 - s`). Means and variances of batch
        normalisation are averaged as weights are. Tensors and rows that the parent does not have,
        and counters, stay as they were tuned.

        Parameters
        ----------
        tuned : mapping of str to Tensor
            The weights of the network after training.
        share : float
            0 for the tuned weights, 1 for the parent's, both to the last bit.

        Raises
        ------
        KaryoscopeError
            If a tensor has another shape than the parent's.
        """
        if not 0 <= share <= 1:
            raise KaryoscopeError(f"the share of the parent's weights is from 0 to 1, not {share}")
        found = dict(tuned)
        for name, parent in self.tensors.items():
            own = tuned.get(name)
            if own is None or not own.is_floating_point():
                continue
            if own.shape != parent.shape:
                raise KaryoscopeError(f"the parent's weights {name} are of another network")
            found[name] = torch.lerp(own, parent.to(own), share)
            for row in self.new_rows.get(name, ()):
                found[name][row] = own[row]
        return found


def write_parent(parent: ParentWeights, run: Path) -> None:
    """Keep the weights that a run begins with in its folder, without loss."""
    small = {
        name: (t.half() if bears_half(t) and torch.equal(t.half().float(), t) else t).contiguous()
        for name, t in parent.tensors.items()
    }
    rows = {name: rows for name, rows in parent.new_rows.items() if rows}
    write_bytes(run / PARENT, save(small, {_NEW_ROWS: json.dumps(rows)}))


def read_parent(run: Path) -> ParentWeights:
    """Read the weights that a run began with.

    Raises
    ------
    KaryoscopeError
        If the run did not begin with the weights of a model, or is of an earlier version.
    """
    path = run / PARENT
    if not path.is_file():
        raise KaryoscopeError(
            f"{run} keeps no weights of a parent: it was trained without start, or by an"
            " earlier version"
        )
    try:
        with safe_open(path, "pt") as file:
            rows = json.loads((file.metadata() or {}).get(_NEW_ROWS, "{}"))
            found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise KaryoscopeError(f"{path} holds no weights of a parent") from error
    return ParentWeights({k: v.float() if v.dtype == torch.half else v for k, v in found.items()},
                         rows)  # fmt: skip
