"""Steadiness of a model for its card: nuclei found again in changed copies of chosen images."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import Dataset, Sample
from karyoscope.evaluation.changes import CHANGES
from karyoscope.evaluation.predictions import Prediction
from karyoscope.evaluation.stability import (
    Segment,
    central_crop,
    margin_for,
    pool_groups,
    stability,
)
from karyoscope.inference import Model
from karyoscope.inference.bundle import FoundAgain, Steadiness
from karyoscope.pipeline import segment

#: Side of the window that is compared, and of the images that are preferred, in pixels.
EDGE, LARGE = 640, 660


def choose_images(
    dataset: Dataset, names: Collection[str] | None = None, images: int | None = 6
) -> list[Sample]:
    """Images to measure steadiness on.

    Parameters
    ----------
    dataset : Dataset
    names : collection of str, optional
        Names of the images to choose from; all where it is not given.
    images : int, optional
        How many: the first by name of those of at least 660 px, then the largest. None for all.

    Raises
    ------
    KaryoscopeError
        If there is none.
    """
    samples = [
        dataset.load(record)
        for record in sorted(dataset.records, key=lambda record: record.name)
        if names is None or record.name in names
    ]
    if not samples:
        raise KaryoscopeError(f"{dataset.name} has none of the images to measure steadiness on")
    if images is None:
        return samples
    samples.sort(key=lambda sample: -min(*sample.image.shape[:2], LARGE))  # stable: by name
    return samples[:images]


def windows_of(samples: list[Sample]) -> tuple[list[np.ndarray], float]:
    """The middle of each image with the margin that the changes need, and their scale.

    Raises
    ------
    KaryoscopeError
        If the scales of the images differ, or one is too small.
    """
    scales = {sample.mpp for sample in samples}
    if len(scales) > 1:
        raise KaryoscopeError(
            "steadiness is measured on images of one scale; these have"
            f" {', '.join(f'{mpp:g}' for mpp in sorted(scales))} µm/px"
        )
    margin = margin_for(CHANGES)
    return [central_crop(sample.image, EDGE, margin) for sample in samples], scales.pop()


def segmenter(model: Model, mpp: float) -> Segment:
    """What a model finds in an image of some scale, as :func:`stability` calls it."""

    def run(rgb: np.ndarray) -> Prediction:
        nuclei = segment(rgb, mpp, model, tissue="none")
        return Prediction.of_nuclei(nuclei, rgb.shape[1], rgb.shape[0])

    return run


def measure_steadiness(model: Model, samples: list[Sample]) -> dict[str, dict[str, Any]]:
    """Steadiness of a model on some images; see :func:`stability` for what is returned."""
    windows, mpp = windows_of(samples)
    return stability(segmenter(model, mpp), windows)


def steadiness_of(
    found: Mapping[str, Mapping[str, Any]], samples: list[Sample], **about: str
) -> Steadiness:
    """Measured steadiness in the form of a model card.

    Parameters
    ----------
    found : mapping
        What :func:`measure_steadiness` returned.
    samples : list of Sample
        The images.
    **about
        ``data``, ``command`` and ``date``.
    """
    return Steadiness(
        images=tuple(sample.record.name for sample in samples),
        changes={
            group: FoundAgain(
                nuclei=row["both"] + row["lost"],
                found_again=_rounded(row["f1"]),
                class_kept=_rounded(row["class_kept"]),
            )
            for group, row in pool_groups(found).items()
        },
        **about,
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
