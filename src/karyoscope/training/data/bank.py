"""The whole training set as flat tensors on one device, and the tiles that are drawn from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from karyoscope.core.errors import KaryoscopeError
from karyoscope.targets.points import FIRST_POINT
from karyoscope.training.data.points import point_map

if TYPE_CHECKING:
    from karyoscope.datasets.base import Sample
    from karyoscope.training.recipe.schema import PointLabels


@dataclass
class PixelBank:
    """Images and labels of different sizes, concatenated pixel by pixel.

    Attributes
    ----------
    rgb : Tensor of uint8, shape (p, 3)
        All pixels of all images, row by row.
    ids : Tensor of int32, shape (p,)
        Nucleus ids, distinct within an image; 0 background, -1 not labelled, less in images
        that are labelled by points (:mod:`karyoscope.targets.points`).
    classes : Tensor of uint8, shape (p,)
        What the nucleus at the pixel may be, as a code: 0 for background or an unknown class, 1
        to ``n_classes`` for that class, more for a set of several.
    starts, heights, widths : Tensor of int64, shape (n,)
        First pixel and size of each image.
    weights : Tensor of float32, shape (n,)
        How much an image's tiles count when tiles are drawn.
    names : list of str
    n_classes : int
    sets : Tensor of int64, shape (number of codes,)
        Classes of each code: bit c is set where it may be class c; 0 for code 0.
    highest : int
        The largest id, here so that no device is requested it at every step.
    soft : Tensor of uint8, shape (p, 2 + n_classes), or None
        Probabilities of a teacher, 255 for 1: inside, boundary, then each class.
    """

    rgb: Tensor
    ids: Tensor
    classes: Tensor
    starts: Tensor
    heights: Tensor
    widths: Tensor
    weights: Tensor
    names: list[str]
    n_classes: int
    sets: Tensor
    highest: int
    soft: Tensor | None = None

    @classmethod
    def from_samples(
        cls,
        samples: Iterable[Sample],
        weights: Sequence[float],
        n_classes: int,
        points: Sequence[PointLabels] | None = None,
    ) -> PixelBank:
        """Concatenate samples; their classes, or sets of classes, are already the model's.

        Parameters
        ----------
        samples : iterable of Sample
        weights : sequence of float
            How much the tiles of each sample count.
        n_classes : int
        points : sequence of PointLabels, optional
            What points say in each sample that has points and no outlines.
        """
        rgb, ids, classes, sizes, names = [], [], [], [], []
        codes = {bits: code for code, bits in enumerate(single_sets(n_classes).tolist())}
        highest = 0
        for k, sample in enumerate(samples):
            if points is not None and has_points_alone(sample):
                instance, coded = _of_points(sample, points[k], codes)
            else:
                instance = _numbered(sample)
                coded = _coded(sample.classes, sample.sets, codes)[sample.inst_map]
            highest = max(highest, int(instance.max(initial=0)))
            if sample.ignore is not None:
                instance = np.where(sample.ignore, -1, instance)
            # torch warns of arrays that may not be written to, such as those of a memory map.
            image = np.require(sample.image, requirements="W")
            rgb.append(torch.from_numpy(image.reshape(-1, 3)))
            ids.append(torch.from_numpy(instance.reshape(-1)))
            classes.append(torch.from_numpy(coded.reshape(-1)))
            sizes.append(sample.inst_map.shape)
            names.append(sample.record.name)
        if not names:
            raise KaryoscopeError("there are no images to train on")
        heights, widths = torch.tensor(sizes, dtype=torch.int64).T
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), (heights * widths).cumsum(0)[:-1]])
        return cls(
            torch.cat(rgb),
            torch.cat(ids),
            torch.cat(classes),
            starts,
            heights,
            widths,
            torch.tensor(weights, dtype=torch.float32),
            names,
            n_classes,
            torch.tensor(list(codes), dtype=torch.int64),
            highest,
        )

    def to(self, device: torch.device | str) -> PixelBank:
        """Move every tensor to a device."""
        tensors: dict[str, Any] = {
            k: v.to(device) for k, v in vars(self).items() if isinstance(v, Tensor)
        }
        return replace(self, **tensors)

    def __len__(self) -> int:
        return len(self.names)

    def gather(self, images: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read pixels at real positions.

        Parameters
        ----------
        images : Tensor of int64, shape (b,)
            Number of the image that each window is cut from.
        x, y : Tensor of float32, shape (b, h, w)
            Positions in pixels of that image, pixel centres at whole numbers. Beyond the edge the
            image is mirrored, and not labelled.

        Returns
        -------
        rgb : Tensor of float32, shape (b, 3, h, w), 0 to 255
            Bilinear.
        ids : Tensor of int32, shape (b, h, w)
            Nearest; -1 outside.
        classes : Tensor of uint8, shape (b, h, w)
            Nearest; 0 outside.
        """
        start, height, width = self._of_images(images)
        nearest, outside = self._nearest(images, x, y)
        ids = self.ids[nearest].masked_fill(outside, -1)
        classes = self.classes[nearest].masked_fill(outside, 0)

        left, top = x.floor(), y.floor()
        fx, fy = (x - left)[..., None], (y - top)[..., None]
        x0, x1 = (mirrored(left.long() + d, width) for d in (0, 1))
        y0, y1 = (start + mirrored(top.long() + d, height) * width for d in (0, 1))
        upper = torch.lerp(self.rgb[y0 + x0].float(), self.rgb[y0 + x1].float(), fx)
        lower = torch.lerp(self.rgb[y1 + x0].float(), self.rgb[y1 + x1].float(), fx)
        return torch.lerp(upper, lower, fy).permute(0, 3, 1, 2), ids, classes

    def soft_labels(self, images: Tensor, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Read the probabilities of the teacher at real positions, as :meth:`gather` does.

        Returns
        -------
        dict
            ``soft_three_label`` (b, 3, h, w) and ``soft_types`` (b, n_classes + 1, h, w), float32,
            background first; all 0 outside the image.

        Raises
        ------
        KaryoscopeError
            If the bank has no teacher's probabilities.
        """
        if self.soft is None:
            raise KaryoscopeError("a loss reads a teacher's probabilities, and there is no teacher")
        nearest, outside = self._nearest(images, x, y)
        values = self.soft[nearest].permute(0, 3, 1, 2).float() / 255
        values = values.masked_fill(outside[:, None], 0)
        parts = {"soft_three_label": values[:, :2], "soft_types": values[:, 2:]}
        inside = (~outside[:, None]).float()
        return {
            name: torch.cat([(inside - part.sum(1, keepdim=True)).clamp(min=0), part], 1)
            for name, part in parts.items()
        }

    def _of_images(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Start, height and width of images, shape (b, 1, 1) each."""
        start, height, width = (
            t[images][:, None, None] for t in (self.starts, self.heights, self.widths)
        )
        return start, height, width

    def _nearest(self, images: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Index of the pixel nearest to each position, and whether it lies outside its image."""
        start, height, width = self._of_images(images)
        column, row = x.round().long(), y.round().long()
        outside = (column < 0) | (row < 0) | (column >= width) | (row >= height)
        return start + mirrored(row, height) * width + mirrored(column, width), outside


def single_sets(n_classes: int) -> Tensor:
    """The set of each code where every label is one class: int64, shape (n_classes + 1,)."""
    sets = torch.ones(n_classes + 1, dtype=torch.int64) << torch.arange(n_classes + 1)
    sets[0] = 0
    return sets


def _numbered(sample: Sample) -> np.ndarray:
    """The label map with ids from 1 without gaps, in the same order: int32, shape (h, w)."""
    # Targets have a place for every number up to the largest.
    there = np.zeros(len(sample.classes), bool)
    there[sample.inst_map] = True
    there[0] = False
    return (np.cumsum(there) * there).astype(np.int32)[sample.inst_map]


def has_points_alone(sample: Sample) -> bool:
    """Whether all labels of a sample are points, without outlines."""
    return sample.points is not None and not sample.inst_map.any()


def _of_points(
    sample: Sample, settings: PointLabels, codes: dict[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Ids and codes of classes of a sample that is labelled by points, each (h, w)."""
    assert sample.points is not None
    shape = sample.inst_map.shape
    ids, nearest = point_map(sample.points, (shape[0], shape[1]), sample.mpp, settings)
    of_point = _coded(sample.points[:, 2].astype(np.uint8), sample.point_sets, codes)
    coded = np.zeros(shape, np.uint8)
    at_point = ids <= FIRST_POINT
    coded[at_point] = of_point[nearest[at_point]]
    return ids, coded


def _coded(classes: np.ndarray, given: np.ndarray | None, codes: dict[int, int]) -> np.ndarray:
    """Codes of classes or of sets, uint8; sets that are new are given the next codes, in place."""
    if given is None:
        return classes
    sets, place = np.unique(given, return_inverse=True)
    of_set = [codes.setdefault(bits, len(codes)) for bits in sets.tolist()]
    if len(codes) > 256:
        raise KaryoscopeError("the datasets have more than 255 different sets of classes")
    return np.array(of_set, np.uint8)[place]


def mirrored(index: Tensor, size: Tensor) -> Tensor:
    """Reflect indices at both edges, edge pixel included, any number of times."""
    index = index.remainder(2 * size)
    return torch.minimum(index, 2 * size - 1 - index)
