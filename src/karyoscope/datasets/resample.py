"""A dataset at another scale: images and labels are resampled as they are read."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.scale import same_scale
from karyoscope.datasets.base import Dataset, Record, Sample


class Resampled(Dataset):
    """The images of a dataset at one scale.

    An image whose pixels are of that size already, to 3 %, stays as it is. Shrunk pixels are means
    over areas, enlarged ones are interpolated linearly: what a model sees of a slide at that
    scale. Ids and ignored pixels are those of the nearest pixel, with aligned centres; a nucleus
    that is too small for the scale may vanish.

    Parameters
    ----------
    dataset : Dataset
        What is read.
    mpp : float
        Micrometres per pixel wanted.
    """

    def __init__(self, dataset: Dataset, mpp: float) -> None:
        self._dataset = dataset
        self.mpp = mpp
        self.name = dataset.name
        self.taxonomy = dataset.taxonomy
        self.records = dataset.records
        self.problems = dataset.problems

    @property
    def own_mpp(self) -> float:
        """Micrometres per pixel before, NaN where only single images state them or none does."""
        return stated_scale(self._dataset)

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        sample = self._dataset.load(record)
        if math.isnan(sample.mpp):
            raise KaryoscopeError(
                f"{record.name}: micrometres per pixel unknown; give them in the recipe or on the"
                " command line, or write mpp: to dataset.yaml"
            )
        return resample(sample, self.mpp)

    def whole(self) -> Dataset:
        """The whole images, at the same scale."""
        whole = self._dataset.whole()
        return self if whole is self._dataset else Resampled(whole, self.mpp)


def resampled(dataset: Dataset, mpp: float) -> Resampled:
    """The dataset at a scale, resampled where its images have another."""
    return Resampled(dataset, mpp)


def resample(sample: Sample, mpp: float) -> Sample:
    """One image with its labels at another scale, unless it has that scale to 3 %."""
    if same_scale(sample.mpp, mpp):
        return sample
    old_height, old_width = sample.inst_map.shape
    height, width = (max(1, round(n * sample.mpp / mpp)) for n in (old_height, old_width))
    image = cv2.resize(
        sample.image,
        (width, height),
        interpolation=cv2.INTER_AREA if mpp > sample.mpp else cv2.INTER_LINEAR,
    )
    points = sample.points
    if points is not None:
        points = points * [width / old_width, height / old_height, 1]
    return replace(
        sample,
        image=image,
        inst_map=_nearest(sample.inst_map, height, width),
        points=points,
        ignore=None if sample.ignore is None else _nearest(sample.ignore, height, width),
        mpp=mpp,
    )


class AtScale(Dataset):
    """The images of a dataset, of which those that state no scale are at a given one.

    Parameters
    ----------
    dataset : Dataset
        What is read.
    mpp : float
        Micrometres per pixel of images that do not state them.

    Raises
    ------
    KaryoscopeError
        If the dataset as a whole states another; :meth:`load` if a single image does.
    """

    def __init__(self, dataset: Dataset, mpp: float) -> None:
        self._dataset = dataset
        self.mpp = mpp
        self.name = dataset.name
        self.taxonomy = dataset.taxonomy
        self.records = dataset.records
        self.problems = dataset.problems
        self._check(f"the {dataset.name} images", stated_scale(dataset))

    def _check(self, what: str, stated: float) -> None:
        if not math.isnan(stated) and not same_scale(stated, self.mpp):
            raise KaryoscopeError(
                f"{what} are at {stated:g} µm/px, and --mpp {self.mpp:g} changes no pixel:"
                f" --to-mpp {self.mpp:g} resamples them (if the data are wrong, write mpp: to"
                " dataset.yaml)"
            )

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        sample = self._dataset.load(record)
        self._check(f"the pixels of {record.name}", sample.mpp)
        return replace(sample, mpp=self.mpp) if math.isnan(sample.mpp) else sample

    def whole(self) -> Dataset:
        """The whole images, at the same scale."""
        whole = self._dataset.whole()
        return self if whole is self._dataset else AtScale(whole, self.mpp)


def stated_scale(dataset: Dataset) -> float:
    """Micrometres per pixel of a dataset as a whole, NaN where nothing says."""
    try:
        return dataset.mpp
    except KaryoscopeError:
        return math.nan


def _nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Labels at the centres of the pixels of a grid of another size over the same area."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for new, old in zip((height, width), labels.shape, strict=True)
    )
    return np.ascontiguousarray(labels[rows[:, None], columns])
