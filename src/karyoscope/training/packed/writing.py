"""Write a compressed training set: as near to the original as a limit of bytes allows."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.packed.fitting import Fitted, Loss, fit_images
from karyoscope.training.packed.images import ToPack
from karyoscope.training.packed.reading import ABOUT, CLASSES, FORMAT, TRAIN, VALIDATION
from karyoscope.training.packed.rows import rest_of

MIB = 2**20
# What ZIP and the description take for each image: names twice, sizes, checksums.
_EACH = 700
_ONCE = 8192


@dataclass
class Report:
    """What a file holds, and what coding changed.

    Attributes
    ----------
    images : dict of str to int
        Number of images by part.
    pixels, size, limit : int
        Pixels of all images, bytes of the file, and bytes that were allowed.
    sizes : dict of str to int
        Bytes by what they hold.
    coding : str
        How the images that are not published JPEG files are coded.
    loss : Loss or None
        None where every image is as it was.
    """

    images: dict[str, int]
    pixels: int
    size: int
    limit: int
    sizes: dict[str, int]
    coding: str
    loss: Loss | None

    def __str__(self) -> str:
        counts = " and ".join(f"{count} {part}" for part, count in self.images.items() if count)
        lines = [
            f"{counts} images with {self.pixels} pixels: {self.size / MIB:.1f} MiB of at most"
            f" {self.limit / MIB:g}"
        ]
        lines += [f"  {size / MIB:6.2f} MiB  {what}" for what, size in self.sizes.items() if size]
        if self.loss is None:
            return "\n".join([*lines, "every pixel is as it was"])
        loss = self.loss
        return "\n".join(
            [
                *lines,
                f"{self.coding} changes colours by {loss.difference:.2f} grey levels on average"
                f" (PSNR {loss.psnr:.1f} dB, lowest {loss.lowest:.1f} dB in {loss.worst}); labels"
                " are exact",
            ]
        )


def write_compressed(
    images: Sequence[ToPack], bank: PixelBank, about: dict[str, Any], path: Path, limit: int
) -> Report:
    """Write training and validation images to one file.

    Parameters
    ----------
    images : sequence of ToPack
        The images of the bank come first, in its order.
    bank : PixelBank
        The training set; what it holds beside pixels goes into the file as it is.
    about : dict
        Classes, scale and stain of the recipe.
    path : path
        Replaced when complete.
    limit : int
        Bytes that the file may have. Images are coded without loss where that fits, else with as
        little as fits; published JPEG files are never coded again.

    Raises
    ------
    KaryoscopeError
        If even the lowest quality does not fit.
    """
    codes = b"".join(image.classes for image in images)
    fixed = sum(len(image.labels) + len(image.original or b"") + _EACH for image in images)
    free = [image for image in images if image.original is None]
    fitted = fit_images(
        [image.rgb for image in free],
        [image.name for image in free],
        limit - fixed - len(codes) - _ONCE,
    )
    coded = iter(fitted.data)
    pixels = [image.original or next(coded) for image in images]
    entries = [_entry(k, image, fitted) for k, image in enumerate(images)]
    whole = about | {"format": FORMAT, "bank": rest_of(bank), "images": entries}
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as partial:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as zipped:
            zipped.writestr(ABOUT, json.dumps(whole), zipfile.ZIP_DEFLATED)
            zipped.writestr(CLASSES, codes, zipfile.ZIP_DEFLATED)
            for entry, image, data in zip(entries, images, pixels, strict=True):
                zipped.writestr(entry["image"], data)
                zipped.writestr(entry["labels"], image.labels)
        size = partial.stat().st_size
        if size > limit:
            raise KaryoscopeError(f"{size / MIB:.1f} MiB do not fit into {limit / MIB:g}")
    return _report(images, pixels, fitted, size, limit)


def _entry(k: int, image: ToPack, fitted: Fitted) -> dict[str, Any]:
    suffix = "jpg" if image.original is not None else fitted.suffix
    return {
        "name": image.name,
        "part": image.part,
        "size": list(image.rgb.shape[:2]),
        "nuclei": len(image.classes),
        "encoding": "published JPEG" if image.original is not None else fitted.coding,
        "image": f"images/{k:05d}.{suffix}",
        "labels": f"labels/{k:05d}.webp",
    } | image.about


def _report(
    images: Sequence[ToPack], pixels: Sequence[bytes], fitted: Fitted, size: int, limit: int
) -> Report:
    sizes: dict[str, int] = {}
    for image, data in zip(images, pixels, strict=True):
        coding = "published JPEG files" if image.original is not None else fitted.coding
        for what, count in (
            (f"{image.part} images, {coding}", len(data)),
            ("label maps", len(image.labels)),
        ):
            sizes[what] = sizes.get(what, 0) + count
    sizes["ids, classes, names"] = size - sum(sizes.values())
    counts = {part: sum(i.part == part for i in images) for part in (TRAIN, VALIDATION)}
    total = sum(image.rgb.shape[0] * image.rgb.shape[1] for image in images)
    return Report(counts, total, size, limit, sizes, fitted.coding, fitted.loss)
