"""Kumar and MoNuSeg: nuclei without classes in seven organs at 40x (Kumar et al., TMI 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from karyoscope.datasets.aperio import read_aperio
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.files import grouped, images_under, mat_keys, pair, patient_of, read_mat
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.labels import label_map, one_class
from karyoscope.datasets.on_disk import DatasetOnDisk
from karyoscope.datasets.polygons import CENTRE_ORIGIN, check_on_image, paint

# The 16 training and 14 test images of HoVer-Net's comparison (vqdang/hover_net, data/README.md);
# the organs are those of the MoNuSeg challenge. Bladder, colon and stomach are in the test part
# alone.
_TRAIN = {
    "breast": ("A7-A13E", "AR-A1AK", "AR-A1AS", "E2-A14V"),
    "kidney": ("B0-5711", "HE-7128", "HE-7129", "HE-7130"),
    "liver": ("18-5592", "21-5784", "38-6178", "50-5931"),
    "prostate": ("G9-6348", "G9-6356", "G9-6362", "G9-6363"),
}
_TEST = {
    "breast": ("A7-A13F", "E2-A1B5"),
    "kidney": ("B0-5698", "B0-5710"),
    "liver": ("21-5786", "49-4488"),
    "prostate": ("CH-5767", "G9-6336"),
    "bladder": ("DK-A2I6", "G2-A2EK"),
    "colon": ("AY-A8YK", "NH-A8F7"),
    "stomach": ("KB-A93J", "RD-A8N9"),
}
IMAGES = {
    f"TCGA-{case}": (organ, split)
    for split, organs in (("train", _TRAIN), ("test", _TEST))
    for organ, cases in organs.items()
    for case in cases
}


class Kumar(DatasetOnDisk):
    """Images with ``.mat`` files (``inst_map``) or Aperio ``.xml`` files of the same name.

    Files may lie at any depth, so ``Train/Images`` with ``Train/Labels``, MoNuSeg's ``Tissue
    Images`` with ``Annotations``, and the flat ``MoNuSegTestData`` are all read. Cohorts are
    organs and splits the 16 training and 14 test images of HoVer-Net's comparison, both by TCGA
    case; the 14 images of the MoNuSeg 2018 test set have split ``"monuseg_test"``.

    Where outlines of an XML file overlap, the first keeps its pixels, as in MoNuSeg's own script.
    """

    name = "kumar"
    published_taxonomy = "nucleus"
    published_mpp = 0.25

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether TCGA images come with instance maps, or with outlines without classes."""
        mat = next(iter(sorted(root.rglob("TCGA*.mat"))), None)
        if mat is not None:
            return "inst_map" in mat_keys(mat) and "inst_type" not in mat_keys(mat)
        return any(root.rglob("TCGA*.xml"))

    def find(self) -> Iterator[Record]:
        """Pair labels with images of the same name."""
        labels = grouped(self.root.rglob("*.xml"))
        labels |= grouped(self.root.rglob("*.mat"))
        self._files = {}
        for stem, label, image in pair(labels, images_under(self.root), self.problems):
            self._files[stem] = (label, image)
            organ, split = IMAGES.get(patient_of(stem), ("", ""))
            if not split and "test" in str(image.parent).lower():
                split = "monuseg_test"
            yield Record(stem, patient_of(stem), organ, split)

    def load(self, record: Record) -> Sample:
        """Read one image with its labels; see :meth:`Dataset.load`."""
        path, image_path = self._files[record.name]
        image = read_rgb(image_path)
        if path.suffix == ".mat":
            inst_map = label_map(read_mat(path, "inst_map")["inst_map"], path)
        else:
            inst_map = np.zeros(image.shape[:2], np.int32)
            polygons = [polygon for _, polygon in read_aperio(path).polygons]
            check_on_image(polygons, image.shape, path)
            for number, polygon in enumerate(polygons, start=1):
                paint(inst_map, polygon, number, CENTRE_ORIGIN)
        return self.sample(record, path, image, inst_map, one_class(inst_map))
