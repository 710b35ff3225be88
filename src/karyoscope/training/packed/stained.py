"""Packed images that have no stain, in that of a recipe."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from karyoscope.training.data.bank import PixelBank

if TYPE_CHECKING:
    from karyoscope.datasets.base import Sample


_THREADS = min(32, os.cpu_count() or 1)


def stained_bank(bank: PixelBank, stain: str, mpp: float) -> PixelBank:
    """A bank whose images have the stain of a recipe, each as it would have been read with it.

    Parameters
    ----------
    bank : PixelBank
        Its pixels are replaced.
    stain : str
        See :func:`~karyoscope.pipeline.stains.inputs.builtin_stain`.
    mpp : float
        Micrometres per pixel.
    """
    # Imported late: these need the analyst's packages, which training alone does not.
    from karyoscope.pipeline.stains.inputs import builtin_stain, stained_image

    own = builtin_stain(stain)

    def change(k: int) -> None:
        start, height, width = (int(t[k]) for t in (bank.starts, bank.heights, bank.widths))
        rows = slice(start, start + height * width)
        image = bank.rgb[rows].numpy().reshape(height, width, 3)
        bank.rgb[rows] = torch.from_numpy(stained_image(image, own, mpp)).reshape(-1, 3)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(change, range(len(bank))))
    return bank


def stained_samples(samples: list[Sample], stain: str, mpp: float) -> list[Sample]:
    """Validation images in the stain of a recipe; see :func:`stained_bank`."""
    from karyoscope.pipeline.stains.inputs import builtin_stain, stained_image

    own = builtin_stain(stain)
    with ThreadPoolExecutor(_THREADS) as pool:
        images = list(pool.map(lambda sample: stained_image(sample.image, own, mpp), samples))
    return [replace(s, image=image) for s, image in zip(samples, images, strict=True)]
