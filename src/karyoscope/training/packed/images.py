"""Images and labels on their way into a compressed training set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.packed.coding import IDS, LONGEST, decode_image, encode_labels, renumber
from karyoscope.training.packed.reading import TRAIN, VALIDATION

if TYPE_CHECKING:
    from karyoscope.datasets.base import Sample

#: Files by stem.
Published = Mapping[str, Sequence[Path]]


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
        Further facts that are written about the image.
    """

    name: str
    part: str
    rgb: np.ndarray
    labels: bytes
    classes: bytes
    original: bytes | None = None
    about: dict[str, Any] = field(default_factory=dict)


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
        if ids.min(initial=0) < -1:
            raise KaryoscopeError(f"image {name}: labels that are points cannot be packed")
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
