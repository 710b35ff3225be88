"""A small, real training set: CC0 images with nuclei of two invented classes."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the [train] extra")

import numpy as np

from karyoscope.core.taxonomy import NucleusClass, Taxonomy
from karyoscope.datasets import Record, Sample
from karyoscope.datasets.image_files import read_rgb
from karyoscope.training.data.bank import PixelBank

DATA = Path(__file__).parents[1] / "data" / "dsb2018"
TAXONOMY = Taxonomy(
    "two", (NucleusClass(1, "odd", (200, 0, 0)), NucleusClass(2, "even", (0, 0, 200)))
)


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    import cv2

    made = []
    for path in sorted((DATA / "labels").glob("*.png"))[:3]:
        labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.int32)
        ids = np.arange(labels.max() + 1)
        classes = np.where(ids == 0, 0, 2 - ids % 2).astype(np.uint8)
        image = read_rgb(DATA / "images" / path.name)
        made.append(Sample(Record(path.stem, path.stem), image, labels, classes, TAXONOMY, 0.5))
    return made


@pytest.fixture(scope="session")
def bank(samples) -> PixelBank:
    return PixelBank.from_samples(samples, [1.0] * len(samples), 2)
