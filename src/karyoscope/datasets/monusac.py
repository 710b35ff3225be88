"""MoNuSAC: four classes in lung, prostate, kidney and breast at 40x (Verma et al., TMI 2021)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.aperio import read_aperio
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.files import grouped, images_under, pair, patient_of
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.on_disk import DatasetOnDisk
from karyoscope.datasets.polygons import CENTRE_ORIGIN, check_on_image, paint


class MoNuSac(DatasetOnDisk):
    """One folder a patient, in it crops (``.svs`` or any image) with Aperio ``.xml`` outlines.

    The name of an annotation layer is the class; outlines called ambiguous become the sample's
    ``ignore``. A sample has the scale that its XML states. Splits are read from the names of the
    downloads, ``MoNuSAC_images_and_annotations`` and ``MoNuSAC Testing Data and Annotations``.
    Where outlines overlap, the first keeps its pixels.
    """

    name = "monusac"
    published_taxonomy = "monusac"
    published_mpp = 0.25

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there are outlines in layers named by a class of MoNuSAC."""
        first = next(iter(sorted(root.rglob("*.xml"))), None)
        if first is None:
            return False
        text = first.read_bytes().lower()
        return any(f'name="{c}"'.encode() in text for c in ("epithelial", "lymphocyte"))

    def find(self) -> Iterator[Record]:
        """Pair outlines with images of the same name."""
        labels = grouped(self.root.rglob("*.xml"))
        # "Annotations" is in the names of the downloads: search below them.
        folders = [self.root, *(path.parent for paths in labels.values() for path in paths)]
        groups = [group for folder in folders for group in images_under(folder).values()]
        # The downloads have each image as .svs and as .tif.
        images = grouped(path for group in groups for path in group)
        images |= grouped(self.root.rglob("*.svs"))
        self._files = {}
        for stem, label, image in pair(labels, images, self.problems):
            self._files[stem] = (label, image)
            where = str(label.parent.relative_to(self.root.parent)).lower()
            split = "test" if "testing" in where else "train" if "images_and" in where else ""
            patient = patient_of(label.parent.name)
            yield Record(
                stem, patient if label.parent != self.root else patient_of(stem), "", split
            )

    def load(self, record: Record) -> Sample:
        """Read one image with its outlines; see :meth:`Dataset.load`."""
        path, image_path = self._files[record.name]
        image = read_rgb(image_path)
        inst_map = np.zeros(image.shape[:2], np.int32)
        ignore = np.zeros(image.shape[:2], np.uint8)
        classes = [0]
        regions = read_aperio(path)
        check_on_image([polygon for _, polygon in regions.polygons], image.shape, path)
        for name, polygon in regions.polygons:
            if name.startswith("ambiguous"):
                paint(ignore, polygon, 1, CENTRE_ORIGIN)
            elif name in self.taxonomy.names:
                paint(inst_map, polygon, len(classes), CENTRE_ORIGIN)
                classes.append(self.taxonomy.id_of(name))
            else:
                raise KaryoscopeError(f"{path}: unknown annotation layer {name!r}")
        return self.sample(
            record,
            path,
            image,
            inst_map,
            np.array(classes, np.uint8),
            mpp=regions.mpp,
            ignore=ignore.astype(bool) if ignore.any() else None,
        )
