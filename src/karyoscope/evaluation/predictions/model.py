"""Predictions that a model makes on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.evaluation.predictions.base import Prediction, Predictions
from karyoscope.inference import Maps, Model
from karyoscope.pipeline import Stain, segment


class ModelPredictions(Predictions):
    """Segments each image by the same path as ``karyoscope segment``.

    Images of another scale than the model's are resampled there; the outlines come back on the
    grid of the image. Where the bundle keeps parameters for counting, the nuclei that are counted
    are found by those, from the same maps.

    Parameters
    ----------
    model : Model
        Model that is run on the images.
    stain : Stain, optional
        What shows it the images as if they had been stained otherwise.
    """

    def __init__(self, model: Model, stain: Stain | None = None) -> None:
        self.model, self.stain = model, stain
        self.taxonomy: Taxonomy = model.taxonomy

    def load(self, sample: Sample) -> Prediction:
        """Segment one image; see :meth:`Predictions.load`."""
        if np.isnan(sample.mpp):
            raise KaryoscopeError(
                f"{sample.record.name}: micrometres per pixel unknown; give --mpp"
            )
        if self.model.bundle.card.counting is None:
            return self._segment(sample, self.model)
        seen: dict[bytes, Maps] = {}
        both = self.model, self.model.for_counting()
        found, counted = (self._segment(sample, _Remembering(model, seen)) for model in both)
        return replace(found, counting=counted)

    def _segment(self, sample: Sample, model: Model) -> Prediction:
        height, width = sample.inst_map.shape
        nuclei = segment(sample.image, sample.mpp, model, stain=self.stain)
        return Prediction.of_nuclei(nuclei, width, height)

    def describe(self) -> str:
        """Name, version and views of the model, and the stain before it."""
        card = self.model.bundle.card
        views = f", mean of {self.model.tta} views" if self.model.tta > 1 else ""
        counting = ", counting by parameters of its own" if card.counting else ""
        stain = f", stain {self.stain.identity['name']}" if self.stain else ""
        return f"model {card.name} {card.version}{views}{counting}{stain}"

    def remarks(self, scored: set[str]) -> list[str]:
        """Remark on scored images that the model may have been trained on, by its card."""
        kept = _kept_out(self.model.bundle.card.training)
        others = scored - kept
        if not kept or not others:
            return []
        return [
            f"{len(others)} of {len(scored)} images are not among the {len(kept)} that the model's"
            " card lists as held out from training: if it was trained on the others, their scores"
            " are too high"
        ]


def _kept_out(training: Mapping[str, Any]) -> set[str]:
    """Names of the images that a card says were not trained on."""
    kept = training.get("validation")
    names = {str(name) for name in kept} if isinstance(kept, list) else set()
    data = training.get("data")
    for source in data if isinstance(data, list) else []:
        # Cards of older bundles have a line of text for each dataset.
        if isinstance(source, Mapping):
            names |= {str(name) for name in source.get("held_out") or []}
    return names


class _Remembering(Model):
    """A model that runs no window twice."""

    def __init__(self, model: Model, seen: dict[bytes, Maps]) -> None:
        super().__init__(model.bundle, model.engine, model.tta)
        self._seen = seen

    #: So that each window is looked up by itself.
    batch = 1

    def predict(self, rgb: np.ndarray) -> Maps:
        """Maps of one image, known or new."""
        pixels = np.ascontiguousarray(rgb)
        key = hashlib.sha256(pixels.data).digest() + str(rgb.shape).encode()
        if key not in self._seen:
            self._seen[key] = super().predict(rgb)
        return self._seen[key]
