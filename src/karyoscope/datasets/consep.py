"""CoNSeP: colon nuclei of seven classes at 40x (Graham et al., Medical Image Analysis 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import scipy.io
from scipy import ndimage

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.describe import write_description
from karyoscope.datasets.files import grouped, images_under, mat_keys, pair, read_mat, split_of
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.labels import class_lookup, label_map
from karyoscope.datasets.on_disk import DatasetOnDisk
from karyoscope.datasets.writing import write_png


class Consep(DatasetOnDisk):
    """The published layout: ``Train`` and ``Test`` with ``Images/`` and ``Labels/*.mat``.

    The labels hold ``inst_map``, ``type_map``, and for the ids in ascending order ``inst_type``
    and ``inst_centroid``. Splits are ``"train"`` and ``"test"``. The tiles come from 16 patients,
    but which from whom is not published: each is a source of its own. HoVer-Net's four classes
    are :func:`merge_classes` to taxonomy ``consep4``.
    """

    name = "consep"
    published_taxonomy = "consep"
    published_mpp = 0.25

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is a label file with classes by position."""
        first = next(iter(sorted(root.glob("**/Labels/*.mat"))), None)
        return first is not None and {"inst_map", "inst_type"} <= mat_keys(first)

    def find(self) -> Iterator[Record]:
        """Pair labels with images of the same name."""
        labels = grouped(self.root.rglob("*.mat"))
        self._files = {}
        for stem, label, image in pair(labels, images_under(self.root), self.problems):
            self._files[stem] = (label, image)
            yield Record(stem, stem, "", split_of(label, self.root))

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        path, image = self._files[record.name]
        mat = read_mat(path, "inst_map", "inst_type")
        inst_map = label_map(mat["inst_map"], path)
        ids = np.unique(inst_map)
        ids = ids[ids > 0]
        if len(ids) != mat["inst_type"].size:
            raise KaryoscopeError(
                f"{path}: {len(ids)} nuclei but {mat['inst_type'].size} classes in inst_type"
            )
        classes = class_lookup(ids, mat["inst_type"], inst_map.max(initial=0), path)
        return self.sample(record, path, read_rgb(image), inst_map, classes)


def write_consep(samples: Iterable[Sample], root: Path, taxonomy: Taxonomy) -> None:
    """Write samples in CoNSeP's layout; samples outside the test split go to ``Train``."""
    records = []
    for sample in samples:
        name = sample.record.name
        records.append((sample.record, sample.mpp))
        folder = root / ("Test" if sample.record.split == "test" else "Train")
        write_png(folder / "Images" / f"{name}.png", sample.image)
        ids = np.unique(sample.inst_map)
        ids = ids[ids > 0]
        centres = ndimage.center_of_mass(sample.inst_map > 0, sample.inst_map, ids)
        content = {
            "inst_map": sample.inst_map.astype(np.float64),
            "type_map": sample.class_map.astype(np.float64),
            "inst_type": sample.classes[ids][:, None].astype(np.float64),
            "inst_centroid": np.array(centres, np.float64).reshape(-1, 2)[:, ::-1],
        }
        (folder / "Labels").mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(folder / "Labels" / f"{name}.mat", content, do_compression=True)
    write_description(root, "consep", taxonomy, records)
