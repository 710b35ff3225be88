"""Predictions that a model makes on demand."""

from __future__ import annotations

import numpy as np

from karyoscope.datasets import Sample
from karyoscope.errors import KaryoscopeError
from karyoscope.evaluation.predictions.base import Prediction, Predictions
from karyoscope.inference import Model
from karyoscope.pipeline import segment
from karyoscope.taxonomy import Taxonomy


class ModelPredictions(Predictions):
    """Segments each image by the same path as ``karyoscope segment``.

    Images of another scale than the model's are resampled there; the outlines come back on the
    grid of the image.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.taxonomy: Taxonomy = model.taxonomy

    def load(self, sample: Sample) -> Prediction:
        """Segment one image; see :meth:`Predictions.load`."""
        if np.isnan(sample.mpp):
            raise KaryoscopeError(
                f"{sample.record.name}: micrometres per pixel unknown; give --mpp"
            )
        nuclei = segment(sample.image, sample.mpp, self.model)
        height, width = sample.inst_map.shape
        return Prediction.of_nuclei(nuclei, width, height)

    def describe(self) -> str:
        """Name, version and views of the model."""
        card = self.model.bundle.card
        views = f", mean of {self.model.tta} views" if self.model.tta > 1 else ""
        return f"model {card.name} {card.version}{views}"

    def remarks(self, scored: set[str]) -> list[str]:
        """Tell how many images the model may have been trained on, where its card lets one."""
        kept = self.model.bundle.card.training.get("validation")
        others = scored - {str(name) for name in kept} if isinstance(kept, list) else set()
        if not kept or not others:
            return []
        return [
            f"{len(others)} of {len(scored)} images are not among the {len(kept)} that the model's"
            " card names as kept from training: if it was trained on them, the scores flatter"
        ]
