"""Read a compressed training set: few bytes from one file, pixels by all cores."""

from __future__ import annotations

import json
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.packed.coding import IDS, LONGEST, decode_image, decode_labels

FORMAT = "karyoscope training set 2"
ABOUT = "pack.json"
CLASSES = "classes.bin"
TRAIN, VALIDATION = "train", "validation"

_LARGEST_ABOUT = 32 * 2**20
# Eight bytes each in memory.
_MOST_PIXELS = 2**30


class PackedImage:
    """One image of a file, not decoded yet.

    Attributes
    ----------
    name : str
    part : {"train", "validation"}
    shape : tuple of int
        Height and width.
    nuclei : int
        Largest id.
    about : dict
        Further facts that the file states about the image.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about
        self.name = str(about["name"])
        self.part = about["part"]
        height, width = (int(v) for v in about["size"])
        self.shape = (height, width)
        self.nuclei = int(about["nuclei"])
        if not (0 < height <= LONGEST and 0 < width <= LONGEST and 0 <= self.nuclei < IDS):
            raise ValueError(f"{self.name}: {height} x {width} with {self.nuclei} nuclei")


@dataclass(frozen=True)
class Decoded:
    """One image of a file.

    Attributes
    ----------
    number : int
        Its place within its part.
    image : PackedImage
    rgb : ndarray of uint8, shape (h, w, 3)
    ids : ndarray of int32, shape (h, w)
        Number of the nucleus at each pixel, 0 for background, without gaps.
    ignore : ndarray of bool, shape (h, w)
        Pixels that are not labelled.
    table : ndarray of uint8, shape (largest id + 1,)
        Class of each id.
    """

    number: int
    image: PackedImage
    rgb: np.ndarray
    ids: np.ndarray
    ignore: np.ndarray
    table: np.ndarray


class PackFile:
    """A file of :func:`~karyoscope.training.packed.writing.write_compressed`.

    Attributes
    ----------
    about : dict
        The file's ``pack.json``.
    images : list of PackedImage
    highest_class : int
        The highest class number that any nucleus has.
    """

    def __init__(self, path: Path, zipped: zipfile.ZipFile) -> None:
        self._path = path
        self._zipped = zipped
        self.about = json.loads(self._read(ABOUT, _LARGEST_ABOUT))
        if not isinstance(self.about, dict) or self.about.get("format") != FORMAT:
            raise KaryoscopeError(f"{path} is no training set of `karyoscope data pack`")
        self.images = [PackedImage(about) for about in self.about["images"]]
        pixels = sum(math.prod(image.shape) for image in self.images)
        if pixels > _MOST_PIXELS:
            raise ValueError(f"{pixels} pixels")
        counts = [image.nuclei for image in self.images]
        codes = np.frombuffer(self._read(CLASSES, sum(counts)), np.uint8)
        self.highest_class = int(codes.max(initial=0))
        if len(codes) != sum(counts):
            raise ValueError(f"{len(codes)} classes of {sum(counts)} nuclei")
        self._tables = np.split(codes, np.cumsum(counts)[:-1]) if counts else []

    def _read(self, name: str, most: int) -> bytes:
        if self._zipped.getinfo(name).file_size > most:
            raise ValueError(f"{name} is too large")
        return self._zipped.read(name)

    def decode(self, part: str, take: Callable[[Decoded], None]) -> None:
        """Decode the images of a part, in several threads.

        Parameters
        ----------
        part : {"train", "validation"}
        take : callable
            Called once an image, from any thread and in any order.
        """
        chosen = [k for k, image in enumerate(self.images) if image.part == part]
        size = self._path.stat().st_size

        def one(job: tuple[int, int, bytes, bytes]) -> None:
            number, k, pixels, labels = job
            image = self.images[k]
            try:
                rgb = decode_image(pixels, image.shape)
                ids, ignore = decode_labels(labels, image.shape)
            except KaryoscopeError as error:
                raise KaryoscopeError(f"{self._path}: image {image.name} {error}") from error
            if ids.max(initial=0) > image.nuclei:
                raise KaryoscopeError(f"{self._path}: image {image.name} lacks classes")
            table = np.concatenate([np.zeros(1, np.uint8), self._tables[k]])
            take(Decoded(number, image, rgb, ids, ignore, table))

        def jobs() -> Iterator[tuple[int, int, bytes, bytes]]:
            for number, k in enumerate(chosen):
                about = self.images[k].about
                yield number, k, self._read(about["image"], size), self._read(about["labels"], size)

        with ThreadPoolExecutor(min(32, os.cpu_count() or 1)) as pool:
            for _ in pool.map(one, jobs()):
                pass


@contextmanager
def open_pack(path: Path) -> Iterator[PackFile]:
    """Open a compressed training set.

    Raises
    ------
    KaryoscopeError
        If the file is damaged, or is no compressed training set.
    """
    try:
        with zipfile.ZipFile(path) as zipped:
            yield PackFile(path, zipped)
    except (
        *(zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError),
        *(KeyError, TypeError, ValueError, AttributeError, OverflowError),
    ) as error:
        what = " ".join(str(error).split())
        raise KaryoscopeError(f"{path} is a damaged training set: {what}") from error
