"""Validation during training: whole images, the real post-processing, the published metric."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
import torch.distributed

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.evaluation.search import pair_of
from karyoscope.inference.model import predict_padded
from karyoscope.inference.torch_engine import TorchEngine
from karyoscope.metrics import (
    CompositionAccumulator,
    DetectionAccumulator,
    PanopticAccumulator,
)
from karyoscope.metrics.accumulate import Accumulator
from karyoscope.networks.deployed import Deployed
from karyoscope.pipeline.maps import image_maps
from karyoscope.postprocessing import postprocess
from karyoscope.training.pictures import SampleTiles
from karyoscope.training.recipe.schema import Recipe

Scored = TypeVar("Scored", bound=Accumulator)


class Validator:
    """Scores a network on images, CoNIC's conventions (pooled over whole images).

    Images whose labels are points alone are scored by detection (F_d and F_c of HoVer-Net).

    Parameters
    ----------
    recipe : Recipe
        Gives the post-processing and the precision.
    taxonomy : Taxonomy
    """

    def __init__(self, recipe: Recipe, taxonomy: Taxonomy) -> None:
        self._recipe = recipe
        self._taxonomy = taxonomy
        self._restart()

    def _restart(self) -> None:
        self.scores = PanopticAccumulator(self._taxonomy)
        self.detection = DetectionAccumulator(self._taxonomy, mpp=self._recipe.mpp)
        self.composition = CompositionAccumulator(self._taxonomy)
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
        if pair.points is None:
            self.scores.add(pair)
            self.composition.add(pair)
        else:
            self.detection.add(pair)
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
            Scores by the names under which they are logged.
        """
        outlines = _of_all_processes(self.scores)
        points = _of_all_processes(self.detection)
        counts = _of_all_processes(self.composition)
        if picture is not None:
            self.tiles.write(picture)
        self._restart()
        logged: dict[str, float] = {}
        if len(outlines) or not len(points):
            found = outlines.compute()
            logged |= {f"val/{k}": float(found[k]) for k in ("pq", "dq", "sq", "mpq_plus")}
            # Of one image there is none.
            r2 = float(counts.compute()["r2"])
            logged |= {"val/r2": r2} if np.isfinite(r2) else {}
            of_classes = found["classes"].items()
            logged |= {f"val/pq_{name}": float(scores["pq"]) for name, scores in of_classes}
        if len(points):
            found = points.compute()
            logged |= {f"val/{k}": float(found[k]) for k in ("f_d", "f_c")}
        return logged


def _of_all_processes(scores: Scored) -> Scored:
    """Join the images that several processes shared among them."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return scores
    parts: list[Scored | None] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, scores)
    first, *others = [part for part in parts if part is not None]
    for other in others:
        first.merge(other)
    return first
