"""Write a compressed training set: as near to the original as a limit of bytes allows."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.errors import KaryoscopeError
from karyoscope.training.bank import PixelBank
from karyoscope.training.pack_coding import IDS, LONGEST, decode_image, encode_labels, renumber
from karyoscope.training.pack_fitting import Fitted, Loss, fit_images
from karyoscope.training.pack_reading import ABOUT, CLASSES, FORMAT, TRAIN, VALIDATION
from karyoscope.training.pack_rows import rest_of

if TYPE_CHECKING:
    from karyoscope.datasets.base import Sample

#: Files by stem.
Published = Mapping[str, Sequence[Path]]

MIB = 2**20
# What ZIP and the description take for each image: names twice, sizes, checksums.
_EACH = 700
_ONCE = 8192


@dataclass
class ToPack:
    """One image with its labels, on its way into a file.

    Attributes
    ----------
    name : str
    part : {"train", "validation"}
    rgb : ndarray of uint8, shape (h, w, 3)
    labels : bytes
        The coded label map.
    classes : bytes
        Class of each nucleus, from id 1.
    original : bytes or None
        A published JPEG file with these very pixels.
    about : dict
        What else is written of it.
    """

    name: str
    part: str
    rgb: np.ndarray
    labels: bytes
    classes: bytes
    original: bytes | None = None
    about: dict[str, Any] = field(default_factory=dict)


@dataclass
class Report:
    """What a file holds, and what coding changed.

    Attributes
    ----------
    images : dict of str to int
        Number of images by part.
    pixels, size, limit : int
        Of all images; bytes of the file and bytes allowed.
    sizes : dict of str to int
        Bytes by what they hold.
    coding : str
        Of the images that are not published JPEG files.
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


def rows_of(bank: PixelBank, published: Published) -> Iterator[ToPack]:
    """The images of a bank.

    Parameters
    ----------
    bank : PixelBank
    published : mapping of str to sequence of path
        JPEG files by stem, whose bytes are kept where an image of that name has their pixels.

    Raises
    ------
    KaryoscopeError
        If a nucleus has pixels of two classes.
    """
    for k, name in enumerate(bank.names):
        start, height, width = (int(t[k]) for t in (bank.starts, bank.heights, bank.widths))
        rows = slice(start, start + height * width)
        ids = bank.ids[rows].numpy().reshape(height, width)
        classes = bank.classes[rows].numpy().reshape(height, width)
        found, old = renumber(np.maximum(ids, 0))
        table = np.zeros(len(old), np.uint8)
        table[found] = np.where(ids >= 0, classes, table[found])
        if table[0] or np.any((table[found] != classes) & (ids >= 0)):
            raise KaryoscopeError(f"image {name}: a nucleus has pixels of two classes")
        image = bank.rgb[rows].numpy().reshape(height, width, 3)
        yield _to_pack(name, TRAIN, image, found, ids < 0, table, published)


def samples_of(samples: Iterable[Sample], published: Published) -> Iterator[ToPack]:
    """Validation images; see :func:`rows_of`."""
    for sample in samples:
        found, old = renumber(sample.inst_map)
        table = sample.classes[old].astype(np.uint8)
        about = {
            "record": vars(sample.record),
            "mpp": sample.mpp,
            "ignore": sample.ignore is not None,
        }
        what = sample.record.name, VALIDATION, sample.image, found, sample.ignore, table
        yield replace(_to_pack(*what, published), about=about)


def _to_pack(
    name: str,
    part: str,
    rgb: np.ndarray,
    ids: np.ndarray,
    ignore: np.ndarray | None,
    table: np.ndarray,
    published: Published,
) -> ToPack:
    if max(ids.shape) > LONGEST or len(table) > IDS:
        raise KaryoscopeError(
            f"image {name}: {ids.shape[1]} x {ids.shape[0]} pixels with {len(table) - 1} nuclei is"
            f" too large to be packed; edges may have {LONGEST} pixels"
        )
    files = (path.read_bytes() for path in published.get(name, ()))
    original = next((data for data in files if _same(data, rgb)), None)
    return ToPack(name, part, rgb, encode_labels(ids, ignore), table[1:].tobytes(), original)


def _same(data: bytes, rgb: np.ndarray) -> bool:
    """Whether a published file, read as it will be on the other machine, has these pixels."""
    try:
        return np.array_equal(decode_image(data, (rgb.shape[0], rgb.shape[1])), rgb)
    except KaryoscopeError:
        return False


def write_compressed(
    images: Sequence[ToPack], bank: PixelBank, about: dict[str, Any], path: Path, limit: int
) -> Report:
    """Write training and validation images to one file.

    Parameters
    ----------
    images : sequence of ToPack
        Those of the bank first, in its order.
    bank : PixelBank
        What it holds beside pixels goes into the file as it is.
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
    partial = path.with_name(path.name + ".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as zipped:
        zipped.writestr(ABOUT, json.dumps(whole), zipfile.ZIP_DEFLATED)
        zipped.writestr(CLASSES, codes, zipfile.ZIP_DEFLATED)
        for entry, image, data in zip(entries, images, pixels, strict=True):
            zipped.writestr(entry["image"], data)
            zipped.writestr(entry["labels"], image.labels)
    size = partial.stat().st_size
    if size > limit:
        partial.unlink()
        raise KaryoscopeError(f"{size / MIB:.1f} MiB do not fit into {limit / MIB:g}")
    partial.replace(path)
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
