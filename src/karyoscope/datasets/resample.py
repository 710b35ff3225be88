"""A dataset at another scale: images and labels are resampled when they are read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Self

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.scale import same_scale
from karyoscope.datasets.base import Dataset, Sample
from karyoscope.datasets.derived import Derived


class Resampled(Derived):
    """The images of a dataset at one scale.

    An image whose pixels are of that size already, to 3 %, stays as it is. Shrunk pixels are means
    over areas, enlarged ones are interpolated linearly: what a model sees of a slide at that
    scale. Ids and ignored pixels are those of the nearest pixel, with aligned centres; a nucleus
    that is too small for the scale may vanish.

    Parameters
    ----------
    dataset : Dataset
        Dataset to read.
    mpp : float
        Micrometres per pixel wanted.
    """

    def __init__(self, dataset: Dataset, mpp: float) -> None:
        super().__init__(dataset, mpp=mpp)

    @property
    def own_mpp(self) -> float:
        """Micrometres per pixel before, NaN where only single images state them or none does."""
        return stated_scale(self._dataset)

    def change(self, sample: Sample) -> Sample:
        """Return an image at the target scale."""
        if math.isnan(sample.mpp):
            raise KaryoscopeError(
                f"{sample.record.name}: micrometres per pixel unknown; give them in the recipe or"
                " on the command line, or write mpp: to dataset.yaml"
            )
        return resample(sample, self.mpp)

    def of(self, dataset: Dataset) -> Self:
        """Return another dataset at the same scale."""
        return type(self)(dataset, self.mpp)


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


class AtScale(Derived):
    """A dataset with a given pixel size for the images that do not state theirs.

    Parameters
    ----------
    dataset : Dataset
        Dataset to read.
    mpp : float
        Micrometres per pixel of images that do not state them.

    Raises
    ------
    KaryoscopeError
        If the dataset as a whole states another pixel size; raised by :meth:`load` if a single
        image does.
    """

    def __init__(self, dataset: Dataset, mpp: float) -> None:
        super().__init__(dataset, mpp=mpp)
        self._check(f"the {dataset.name} images", stated_scale(dataset))

    def _check(self, what: str, stated: float) -> None:
        if not math.isnan(stated) and not same_scale(stated, self.mpp):
            raise KaryoscopeError(
                f"{what} are at {stated:g} µm/px, and --mpp {self.mpp:g} changes no pixel:"
                f" --to-mpp {self.mpp:g} resamples them (if the data are wrong, write mpp: to"
                " dataset.yaml)"
            )

    def change(self, sample: Sample) -> Sample:
        """Return an image with the given scale, where it states none."""
        self._check(f"the pixels of {sample.record.name}", sample.mpp)
        return replace(sample, mpp=self.mpp) if math.isnan(sample.mpp) else sample

    def of(self, dataset: Dataset) -> Self:
        """Return another dataset at the same scale."""
        return type(self)(dataset, self.mpp)


def stated_scale(dataset: Dataset) -> float:
    """Micrometres per pixel of a dataset as a whole, NaN if they are not stated."""
    try:
        return dataset.mpp
    except KaryoscopeError:
        return math.nan


def _nearest(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Labels at the centres of the pixels of a grid of another size over the same area.

    Where the labels are shrunk by an even factor, a centre lies on the corner of four pixels. The
    label of most of them is taken; always to take the same of the four would move all labels
    by a part of a pixel. Where two labels have two pixels each, neighbours take them in turn.
    """
    (above, below), (left, right) = (
        _beside(*n) for n in zip(labels.shape, (height, width), strict=True)
    )
    if np.array_equal(above, below) and np.array_equal(left, right):
        return np.ascontiguousarray(labels[above[:, None], left])
    four = np.stack([labels[r[:, None], c] for r in (above, below) for c in (left, right)])
    # In the opposite order for every second pixel, as on a chessboard.
    odd = np.add.outer(np.arange(height), np.arange(width)) % 2 == 1
    four = np.where(odd, four[::-1], four)
    votes = sum((four == other).astype(np.uint8) for other in four)
    return np.ascontiguousarray(np.take_along_axis(four, votes.argmax(0)[None], 0)[0])


def _beside(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels that touch the centre of each pixel of a grid of another size: both, or one twice."""
    centre = (2 * np.arange(new, dtype=np.int64) + 1) * old
    after = centre // (2 * new)
    return np.where(centre % (2 * new) == 0, after - 1, after), after
