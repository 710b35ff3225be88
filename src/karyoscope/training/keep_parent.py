"""How much of its parent a fine-tuned network keeps: as the recipe says, or as validation says."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.data import DataLoader

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.networks.base import deployed_outputs
from karyoscope.networks.deployed import Deployed
from karyoscope.training.interpolation import ParentWeights, read_parent
from karyoscope.training.recipe.schema import Recipe

if TYPE_CHECKING:
    import torch

    from karyoscope.training.validation import Validator

_log = logging.getLogger(__name__)

#: The choice of a run, in its folder.
KEPT = "keep_parent.json"
#: Shares of the parent that are compared.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Validation scores, of which the first that is a number decides.
_SCORES = ("val/mpq_plus", "val/pq", "val/f_c", "val/f_d")


@dataclass(frozen=True)
class Kept:
    """How much of the parent's weights a network has.

    Attributes
    ----------
    share : float
        From 0, the tuned weights, to 1, the parent's.
    chosen_by : str
        Score on the validation images that chose the share; empty where the recipe gave it.
    scores : dict of str to dict of str to float
        Validation scores by share; empty where there were no validation images.
    """

    share: float
    chosen_by: str = ""
    scores: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in the folder of a run and in a card."""
        return {key: value for key, value in asdict(self).items() if value not in ("", {})}

    def __str__(self) -> str:
        text = f"{self.share:g} of the parent's weights is kept"
        if self.chosen_by:
            compared = ", ".join(
                f"{share} {scores[self.chosen_by]:.3f}"
                for share, scores in self.scores.items()
                if self.chosen_by in scores
            )
            text += f", chosen by {self.chosen_by} on the validation images ({compared})"
        return text


def keep_of_parent(
    recipe: Recipe, network: nn.Module, parent: ParentWeights, scores_of: NetworkScores
) -> Kept:
    """Mix the parent's weights into a trained network, in place.

    Parameters
    ----------
    recipe : Recipe
        Its ``training.keep_parent`` is the share, or ``choose``.
    network : nn.Module
        With the weights as they were tuned.
    parent : ParentWeights
    scores_of : NetworkScores
        Scores a network.

    Returns
    -------
    Kept
        Share with the highest score, and the scores of all; of equal scores, the largest share.
    """
    wanted = recipe.training.keep_parent
    tuned = {name: t.detach().clone() for name, t in network.state_dict().items()}
    scores = {}
    for share in SHARES if isinstance(wanted, str) else (wanted,):
        network.load_state_dict(parent.mixed(tuned, share))
        scores[share] = scores_of(network)
    named = {f"{share:g}": _short(found) for share, found in scores.items() if found}
    if not isinstance(wanted, str):
        return Kept(wanted, "", named)
    name = next((n for n in _SCORES if any(math.isfinite(s.get(n, math.nan))
                                           for s in scores.values())), None)  # fmt: skip
    if name is None:
        raise KaryoscopeError("training.keep_parent: no validation score to choose by")
    best = max(scores, key=lambda s: (_number(scores[s].get(name)), s))
    network.load_state_dict(parent.mixed(tuned, best))
    return Kept(best, name.removeprefix("val/"), named)


def _number(score: float | None) -> float:
    return score if score is not None and math.isfinite(score) else -math.inf


def _short(scores: Mapping[str, float]) -> dict[str, float]:
    known = {name: scores[name] for name in _SCORES if math.isfinite(scores.get(name, math.nan))}
    return {name.removeprefix("val/"): round(score, 4) for name, score in known.items()}


class NetworkScores:
    """Scores a network on the validation images of a recipe; of all processes together.

    Parameters
    ----------
    recipe : Recipe
    images : DataLoader or None
        Those of this process; without any nothing is scored.
    device : torch.device
    """

    def __init__(self, recipe: Recipe, images: DataLoader | None, device: torch.device) -> None:
        self._recipe = recipe
        self._images = images
        self._device = device
        self._validator: Validator | None = None

    def __call__(self, network: nn.Module) -> dict[str, float]:
        """Scores by the names under which they are logged; empty without images."""
        if self._images is None:
            return {}
        if self._validator is None:
            # Imported late: it needs the analyst's packages, which a bare GPU machine may lack.
            from karyoscope.training.validation import Validator

            self._validator = Validator(self._recipe, Taxonomy.load(self._recipe.taxonomy))
        recipe = self._recipe
        module = Deployed(network, recipe.mean, recipe.std, deployed_outputs(network))  # type: ignore[arg-type]
        was_training = network.training
        module.to(self._device).eval()
        for sample in self._images:
            if sample is not None:
                self._validator.add(module, sample)
        network.train(was_training)
        return self._validator.finish(None)


def write_kept(kept: Kept, run: Path) -> None:
    """Write how much of its parent a run keeps."""
    write_text(run / KEPT, json.dumps(kept.to_dict(), indent=1) + "\n")


def read_kept(run: Path) -> Kept | None:
    """Read how much of its parent a run keeps; None where it has not been decided.

    Raises
    ------
    KaryoscopeError
        If the file is damaged.
    """
    path = run / KEPT
    if not path.is_file():
        return None
    try:
        return Kept(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise KaryoscopeError(f"{path} does not say how much of the parent is kept") from error


def mix_for_export(
    network: nn.Module, recipe: Recipe, run: Path, mixed_already: float | None, share: float | None
) -> Kept | None:
    """Mix the parent's weights into the network of a checkpoint, in place.

    Parameters
    ----------
    network : nn.Module
        With the weights of the checkpoint.
    recipe : Recipe
    run : path
        Folder of the run.
    mixed_already : float or None
        Share that the weights of the checkpoint have been mixed with.
    share : float, optional
        Share of the parent; what the run has decided where it is not given.

    Returns
    -------
    Kept or None
        None where nothing of a parent is mixed in.

    Raises
    ------
    KaryoscopeError
        If the checkpoint has been mixed with another share, or the run has no parent.
    """
    decided = read_kept(run)
    if mixed_already is not None:
        if share is not None and share != mixed_already:
            raise KaryoscopeError(
                f"weights.safetensors has {mixed_already:g} of the parent's weights already; give"
                " --checkpoint last.ckpt"
            )
        return decided or Kept(mixed_already)
    if share is None:
        wanted = recipe.training.keep_parent
        if decided is None and isinstance(wanted, str):
            _log.warning("the run has not ended: nothing of its parent's weights is mixed in")
            return None
        # A recipe without choice is followed, however the run ended.
        kept = decided or Kept(float(wanted))
    else:
        kept = decided if decided is not None and decided.share == share else Kept(share)
    if not kept.share:
        return kept if kept.chosen_by else None
    network.load_state_dict(read_parent(run).mixed(network.state_dict(), kept.share))
    return kept
