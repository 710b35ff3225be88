"""Between the images of a compressed training set and what training reads them as."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from karyoscope.training.data.bank import PixelBank
from karyoscope.training.packed.reading import TRAIN, VALIDATION, Decoded, PackFile

if TYPE_CHECKING:
    from karyoscope.core.taxonomy import Taxonomy
    from karyoscope.datasets.base import Sample

# Attributes of a training set on the device (PixelBank) that are made from the images; the others
# are written as they are.
_PIXELS = ("rgb", "ids", "classes", "starts", "heights", "widths", "names", "highest")
_DTYPES = {"float32": torch.float32, "int64": torch.int64, "uint8": torch.uint8}


def rest_of(bank: PixelBank) -> dict[str, Any]:
    """Attributes of a training set on the device that are not arrays of pixels, as plain data."""
    rest: dict[str, Any] = {}
    for given in fields(bank):
        value = getattr(bank, given.name)
        if given.name in _PIXELS:
            continue
        if isinstance(value, Tensor):
            value = {"dtype": str(value.dtype).removeprefix("torch."), "values": value.tolist()}
        rest[given.name] = value
    return rest


def bank_of(file: PackFile) -> PixelBank:
    """Decode the training images of a file.

    Raises
    ------
    KaryoscopeError, TypeError, ValueError, KeyError
        If an image is damaged, or the description of the file does not fit a bank.
    """
    images = [image for image in file.images if image.part == TRAIN]
    known = {given.name for given in fields(PixelBank)}
    rest = {k: _value(v) for k, v in file.about["bank"].items() if k in known - {*_PIXELS}}
    if len(rest["weights"]) != len(images) or not images:
        raise ValueError(f"{len(rest['weights'])} weights of {len(images)} images")
    # A device would not say which image has a class that the model has not.
    if file.highest_class > (len(rest["sets"]) - 1 if "sets" in rest else rest["n_classes"]):
        raise ValueError(f"a nucleus has class {file.highest_class}")
    if "highest" in known:
        rest["highest"] = max(image.nuclei for image in images)
    sizes = [math.prod(image.shape) for image in images]
    starts = np.cumsum([0, *sizes[:-1]])
    rgb = np.empty((sum(sizes), 3), np.uint8)
    ids = np.empty(sum(sizes), np.int32)
    classes = np.empty(sum(sizes), np.uint8)

    def take(found: Decoded) -> None:
        rows = slice(starts[found.number], starts[found.number] + sizes[found.number])
        rgb[rows] = found.rgb.reshape(-1, 3)
        # A pixel that is not labelled has no class either.
        classes[rows] = np.where(found.ignore, 0, found.table[found.ids]).reshape(-1)
        ids[rows] = np.where(found.ignore, -1, found.ids).reshape(-1)

    file.decode(TRAIN, take)
    heights, widths = torch.tensor([image.shape for image in images], dtype=torch.int64).T
    return PixelBank(
        rgb=torch.from_numpy(rgb),
        ids=torch.from_numpy(ids),
        classes=torch.from_numpy(classes),
        starts=torch.from_numpy(starts),
        heights=heights,
        widths=widths,
        names=[image.name for image in images],
        **rest,
    )


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return torch.tensor(value["values"], dtype=_DTYPES[value["dtype"]])
    return value


def samples_in(file: PackFile, taxonomy: Taxonomy) -> list[Sample]:
    """Decode the validation images of a file."""
    # Imported late: it needs the packages of the readers, and training alone does not.
    from karyoscope.datasets.base import Record, Sample

    samples: dict[int, Sample] = {}

    def take(found: Decoded) -> None:
        about = found.image.about
        samples[found.number] = Sample(
            Record(**about["record"]),
            found.rgb,
            found.ids,
            found.table,
            taxonomy,
            float(about["mpp"]),
            ignore=found.ignore if about["ignore"] else None,
        )

    file.decode(VALIDATION, take)
    return [samples[number] for number in sorted(samples)]
