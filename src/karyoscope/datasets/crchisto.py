"""CRCHistoPhenotypes: points of four classes at 20x (Sirinukunwattana et al., TMI 2016)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.files import grouped, images_under, only, read_mat
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.on_disk import DatasetOnDisk

_DETECTION = "_detection.mat"


class CrcHisto(DatasetOnDisk):
    """``imgN`` with ``imgN_detection.mat`` and one such file a class, at any depth.

    Each file holds ``detection``, n x 2, x and y of MATLAB, whose first pixel has its centre at
    (1, 1). Points of the detection file that are in no class file have class 0; a missing class
    file means that there is no such nucleus. Images are 500 x 500 of ten slides; which is of
    which slide is not published, so that each is a source of its own.
    """

    name = "crchisto"
    published_taxonomy = "crchisto"
    published_mpp = 0.5

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is a file of detections."""
        return any(root.rglob(f"*{_DETECTION}"))

    def find(self) -> Iterator[Record]:
        """List images that have points."""
        images = images_under(self.root)
        points = grouped(self.root.rglob("*.mat"), lambda path: path.name)
        self._points = {name: only(paths, "points") for name, paths in points.items()}
        stems = {p.rpartition("_")[0] for p in self._points}
        self._images = {}
        for stem in sorted(stems | images.keys()):
            if stem not in images:
                self.problems.append(f"{stem}: points without an image")
            elif stem not in stems:
                self.problems.append(f"{images[stem][0].name}: image without points")
            elif (image := only(images[stem], "image")).stat().st_size == 0:
                self.problems.append(f"{image.name}: empty file")
            else:
                self._images[stem] = image
                yield Record(stem, stem)

    def load(self, record: Record) -> Sample:
        """Read one image with its points; see :meth:`Dataset.load`."""
        image = read_rgb(self._images[record.name])
        rows = []
        for nucleus_class in self.taxonomy.classes:
            path = self._points.get(f"{record.name}_{nucleus_class.name}.mat")
            if path is not None:
                points = self._read(path)
                rows.append(np.column_stack([points, np.full(len(points), nucleus_class.id)]))
        classified = np.concatenate(rows) if rows else np.zeros((0, 3))
        path = self._points.get(f"{record.name}{_DETECTION}")
        if path is not None:
            known = {(x, y) for x, y in classified[:, :2]}
            rest = [(x, y, 0) for x, y in self._read(path) if (x, y) not in known]
            classified = np.concatenate([classified, np.array(rest).reshape(-1, 3)])
        inst_map = np.zeros(image.shape[:2], np.int32)
        none = np.zeros(1, np.uint8)
        return self.sample(record, self.root, image, inst_map, none, points=classified)

    @staticmethod
    def _read(path: Path) -> np.ndarray:
        detection = read_mat(path, "detection")["detection"]
        # MATLAB counts from 1 and to centres, we from 0 and from corners.
        return np.asarray(detection, np.float64).reshape(-1, 2) - 0.5
