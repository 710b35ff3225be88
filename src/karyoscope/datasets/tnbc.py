"""TNBC: nuclei of triple-negative breast cancer at 40x, no classes (Naylor et al., TMI 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.files import by_stem, pair
from karyoscope.datasets.image_files import read_plain, read_rgb
from karyoscope.datasets.labels import components, label_map, one_class
from karyoscope.datasets.on_disk import DatasetOnDisk


class Tnbc(DatasetOnDisk):
    """``Slide_01/01_1.png`` with its mask ``GT_01/01_1.png``, one folder a patient.

    The masks say yes or no; nuclei are their 8-connected regions. A mask with more than two
    values is taken as ids.
    """

    name = "tnbc"
    published_taxonomy = "nucleus"
    published_mpp = 0.25

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there are folders of masks beside folders of slides."""
        return any(root.glob("Slide_*")) and any(root.glob("GT_*"))

    def find(self) -> Iterator[Record]:
        """Pair masks with images of the same name."""
        labels = by_stem(self.root.glob("GT_*/*"))
        images = by_stem(self.root.glob("Slide_*/*"))
        self._files = {}
        for stem, label, image in pair(labels, images, self.problems):
            self._files[stem] = (label, image)
            yield Record(stem, image.parent.name)

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        path, image = self._files[record.name]
        mask = read_plain(path)
        mask = mask[..., 0] if mask.ndim == 3 else mask
        yes_or_no = len(np.unique(mask)) <= 2
        inst_map = components(mask > 0) if yes_or_no else label_map(mask, path)
        return self.sample(record, path, read_rgb(image), inst_map, one_class(inst_map))
