"""CPM-15 and CPM-17: nuclei without classes in brain, lung and head-and-neck tumours.

From the Computational Precision Medicine challenges at MICCAI (Vu et al., Frontiers in
Bioengineering and Biotechnology 2019).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.files import (
    FilesByStem,
    grouped,
    images_under,
    mat_keys,
    pair,
    read_mat,
    split_of,
)
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.labels import label_map, one_class
from karyoscope.datasets.on_disk import DatasetOnDisk

_MASK = "_mask"


class _Cpm(DatasetOnDisk):
    """Images with ``Labels/<name>.mat`` (``inst_map``) or the challenge's ``<name>_mask.txt``.

    The text files give the width and height and then one id a pixel, row by row.
    """

    published_taxonomy = "nucleus"
    published_mpp = 0.25

    def find(self) -> Iterator[Record]:
        """Pair labels with images of the same name in the same part."""
        texts = self.root.rglob(f"*{_MASK}.txt")
        labels = grouped(texts, lambda path: path.stem.removesuffix(_MASK))
        labels |= grouped(self.root.rglob("*.mat"))
        images = {
            stem: paths
            for stem, paths in images_under(self.root).items()
            if not stem.endswith("_poly")  # the challenge's picture of the outlines
        }
        in_parts = {
            stem
            for stem, paths in labels.items()
            if len({split_of(path, self.root) for path in paths}) > 1
        }
        labels, images = (self._told_apart(files, in_parts) for files in (labels, images))
        self._files = {}
        for stem, label, image in pair(labels, images, self.problems):
            self._files[stem] = (label, image)
            yield Record(stem, stem, "", split_of(label, self.root))

    def _told_apart(self, files: FilesByStem, in_parts: Collection[str]) -> FilesByStem:
        """Files by stem; images that train and test both number have their part before it."""
        told: FilesByStem = {}
        for stem, paths in files.items():
            for path in paths:
                part = split_of(path, self.root) if stem in in_parts else ""
                told.setdefault(f"{part}_{stem}" if part else stem, []).append(path)
        return told

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        path, image = self._files[record.name]
        array = read_mat(path, "inst_map")["inst_map"] if path.suffix == ".mat" else _text(path)
        inst_map = label_map(array, path)
        mpp = self.stated_mpp(record.name)
        return self.sample(record, path, read_rgb(image), inst_map, one_class(inst_map), mpp)

    def stated_mpp(self, name: str) -> float:
        """Micrometres per pixel of one image where published, else NaN."""
        return math.nan


class Cpm15(_Cpm):
    """CPM-15: 15 images; ``Images/`` and ``Labels/``, or ``imageNN.png`` and ``imageNN_mask.txt``.

    The nominal scale is that of 40x. The challenge states 20x for ``image01`` to ``image07``;
    under these names they get 0.5 µm/px. Copies with other names do not say which are which.
    """

    name = "cpm15"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there are instance maps without classes, not parted into train and test."""
        return _has_labels(root) and not _is_parted(root)

    def stated_mpp(self, name: str) -> float:
        """0.5 for the images that the challenge lists as 20x, else NaN."""
        number = re.fullmatch(r"image(\d\d)", name)
        return 0.5 if number and 1 <= int(number.group(1)) <= 7 else math.nan


class Cpm17(_Cpm):
    """CPM-17: 32 training and 32 test images in ``train`` and ``test``.

    Where both parts number their images alike, names begin with the part: ``test_image_00``.
    The scale is that of 40x; some images are 20x, and which is not published.
    """

    name = "cpm17"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there are instance maps without classes in train and test."""
        return _has_labels(root) and _is_parted(root)


def _has_labels(root: Path) -> bool:
    if any(root.rglob(f"*{_MASK}.txt")):
        return True
    first = next(iter(sorted(root.glob("**/Labels/*.mat"))), None)
    return first is not None and mat_keys(first) == {"inst_map"}


def _is_parted(root: Path) -> bool:
    return any(p.is_dir() and p.name.lower() in ("train", "test") for p in root.iterdir())


def _text(path: Path) -> np.ndarray:
    try:
        width, height, *ids = np.array(path.read_text(encoding="ascii").split(), np.int64)
        return np.array(ids).reshape(height, width)
    except (ValueError, OverflowError) as error:
        raise KaryoscopeError(f"{path}: not a label file with width, height and ids") from error
