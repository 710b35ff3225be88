"""Lung cancer nuclei of three classes (Qu et al., ISBI 2019)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.files import image_by_stem, pair, patient_of
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.labels import read_label_image
from karyoscope.datasets.on_disk import DatasetOnDisk

_LABEL = "_label"


class Qu(DatasetOnDisk):
    """``images/<name>.png``, ``labels_instance/<name>_label.png``, ``train_val_test.json``.

    One label image holds both: pixels of one positive id are a nucleus, and the id modulo 3 is
    its class: 0 tumour, 1 lymphocyte, 2 stroma (section 2.1 of the paper). The paper gives no
    pixel size: it has to be given.
    """

    name = "qu"
    published_taxonomy = "qu"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is the folder of instance labels."""
        return (root / "labels_instance").is_dir()

    def find(self) -> Iterator[Record]:
        """Pair label images with images, and look splits up."""
        files = image_by_stem(self.root / "labels_instance")
        labels = {stem.removesuffix(_LABEL): paths for stem, paths in files.items()}
        splits = self._splits()
        self._files = {}
        for stem, label, image in pair(labels, image_by_stem(self.root / "images"), self.problems):
            self._files[stem] = (label, image)
            yield Record(stem, patient_of(stem), "", splits.get(stem, ""))

    def _splits(self) -> dict[str, str]:
        path = self.root / "train_val_test.json"
        if not path.is_file():
            return {}
        try:
            parts = json.loads(path.read_text(encoding="utf-8"))
            return {Path(name).stem: part for part, names in parts.items() for name in names}
        except (ValueError, AttributeError, TypeError) as error:
            raise KaryoscopeError(f"{path}: must hold names by split") from error

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        path, image = self._files[record.name]
        inst_map = read_label_image(path)
        classes = (np.arange(int(inst_map.max(initial=0)) + 1) % 3 + 1).astype(np.uint8)
        classes[0] = 0
        return self.sample(record, path, read_rgb(image), inst_map, classes)
