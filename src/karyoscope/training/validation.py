"""Validation during training: whole images, the real post-processing, the published metric."""

from __future__ import annotations

from karyoscope.datasets import Sample
from karyoscope.evaluation.tune import pair_of
from karyoscope.inference.model import predict_padded
from karyoscope.inference.torch_engine import TorchEngine
from karyoscope.metrics import PanopticAccumulator
from karyoscope.networks.deployed import Deployed
from karyoscope.pipeline.maps import image_maps
from karyoscope.postprocessing import postprocess
from karyoscope.taxonomy import Taxonomy
from karyoscope.training.recipe import Recipe


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
        self.scores = PanopticAccumulator(taxonomy)

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
        self.scores.add(pair_of(sample, nuclei))

    def result(self) -> dict[str, float]:
        """Scores since the last call, by the names under which they are logged."""
        found = self.scores.compute()
        self.scores = PanopticAccumulator(self._taxonomy)
        return {f"val/{k}": float(found[k]) for k in ("pq", "dq", "sq", "mpq_plus")} | {
            f"val/pq_{name}": float(scores["pq"]) for name, scores in found["classes"].items()
        }
