"""Validation during training: whole images, the real post-processing, the published metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch.distributed

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.evaluation.tune import pair_of
from karyoscope.inference.model import predict_padded
from karyoscope.inference.torch_engine import TorchEngine
from karyoscope.metrics import PanopticAccumulator
from karyoscope.networks.deployed import Deployed
from karyoscope.pipeline.maps import image_maps
from karyoscope.postprocessing import postprocess
from karyoscope.training.pictures import SampleTiles
from karyoscope.training.schema import Recipe


class Validator:
    """Scores a network on images, CoNIC's conventions (pooled over whole images).

    Parameters
    ----------
    recipe : Recipe
        For the post-processing and the precision.
    taxonomy : Taxonomy
    """

    def __init__(self, recipe: Recipe, taxonomy: Taxonomy) -> None:
        self._recipe = recipe
        self._taxonomy = taxonomy
        self._restart()

    def _restart(self) -> None:
        self.scores = PanopticAccumulator(self._taxonomy)
        self.tiles = SampleTiles(self._taxonomy, self._recipe.validation.pictures)

    def add(self, module: Deployed, sample: Sample) -> None:
        """Segment one image and score it."""
        recipe = self._recipe
        engine = TorchEngine(module, autocast=recipe.training.precision == "bf16")
        maps = image_maps(
            lambda rgb: predict_padded(engine.run, rgb, recipe.training.multiple_of),
            sample.image,
            module.strides(recipe.training.multiple_of),
            largest=1024,
        )
        post = recipe.postprocessing
        nuclei = postprocess(post.name, maps, post.options, self._taxonomy, sample.mpp)
        pair = pair_of(sample, nuclei)
        self.scores.add(pair)
        self.tiles.add(sample, pair.pred, np.asarray(pair.pred_classes))

    def finish(self, picture: Path | None) -> dict[str, float]:
        """Scores since the last call, over the images of all processes.

        Parameters
        ----------
        picture : path or None
            PNG to write the sample tiles of this process to.

        Returns
        -------
        dict
            By the names under which they are logged.
        """
        found = _of_all_processes(self.scores).compute()
        if picture is not None:
            self.tiles.write(picture)
        self._restart()
        return {f"val/{k}": float(found[k]) for k in ("pq", "dq", "sq", "mpq_plus")} | {
            f"val/pq_{name}": float(scores["pq"]) for name, scores in found["classes"].items()
        }


def _of_all_processes(scores: PanopticAccumulator) -> PanopticAccumulator:
    """Join the images that several processes shared among them."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return scores
    parts: list[PanopticAccumulator | None] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, scores)
    first, *others = [part for part in parts if part is not None]
    for other in others:
        first.merge(other)
    return first
