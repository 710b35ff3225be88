"""Real downloads: their published figures must come out."""

from collections import Counter

import numpy as np
import pytest
from dataset_layouts import DATA

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import open_dataset, recognise
from karyoscope.datasets.inspect import inspect_dataset
from karyoscope.datasets.sheet import ContactSheet, outlines


@pytest.mark.parametrize(
    ("folder", "layout"),
    [
        ("lizard", "lizard"),
        ("lizard_from_overlays", "lizard"),
        ("consep", "consep"),
        ("kumar", "kumar"),
        ("crchisto_sample", "crchisto"),
        ("monusac_sample", "monusac"),
        ("redistributable/nucls", "nucls"),
        ("redistributable/dsb2018", "folder"),
    ],
)
def test_downloads_are_recognised_and_whole(shared, folder, layout):
    assert recognise(shared / "data" / folder) == layout
    dataset = open_dataset(shared / "data" / folder)
    assert dataset.problems == []
    sample = dataset.load(dataset.records[-1])
    assert sample.image.std() > 5


@pytest.mark.slow
def test_lizard_has_its_nuclei(shared):
    found = inspect_dataset(open_dataset(shared / "data" / "lizard"))
    assert found.counts == {
        "neutrophil": 686,
        "epithelial": 50285,
        "lymphocyte": 20578,
        "plasma": 5407,
        "eosinophil": 446,
        "connective": 18192,
    }
    assert len(found.images) == 101
    assert {i.split for i in found.images} == {"1", "2", "3"}
    assert found.problems == found.duplicates == []
    assert found.scales == [0.5]


@pytest.mark.slow
def test_consep_has_its_classes(shared):
    found = inspect_dataset(open_dataset(shared / "data" / "consep"))
    assert len(found.images) == 27
    assert {(i.width, i.height, i.split) for i in found.images} == {(1000, 1000, "train")}
    assert sum(found.counts.values()) == 15555
    assert "unclassified" not in found.counts


def test_kumar_has_organs_and_splits(shared):
    dataset = open_dataset(shared / "data" / "kumar")
    cohorts = Counter(r.cohort for r in dataset.records)
    assert cohorts == {"breast": 4, "kidney": 4, "liver": 4, "prostate": 4}
    # HoVer-Net's comparison parts the patients in another way than the folder does.
    assert {r.split for r in dataset.records} == {"train", "test"}
    assert sum(inspect_dataset(dataset).counts.values()) == 9907


def test_crchisto_points_lie_on_dark_pixels(shared):
    for sample in open_dataset(shared / "data" / "crchisto_sample"):
        x, y = sample.points[:, :2].astype(int).T
        assert sample.image[y, x].mean() < sample.image.mean() - 20
        assert (sample.points[:, :2] >= 0.5).all()


def test_monusac_outlines_lie_on_nuclei(shared):
    sample = next(iter(open_dataset(shared / "data" / "monusac_sample")))
    assert sample.mpp == 0.19448
    assert sample.record.source == "TCGA-5P-A9K0"
    assert np.bincount(sample.classes[1:], minlength=5).tolist() == [0, 314, 0, 7, 0]
    nuclei = sample.class_map == 1
    assert sample.image[nuclei].mean() < sample.image[~nuclei].mean() - 30
    # Shifted by as little as three pixels, the outlines fit worse.
    inside = sample.image[nuclei, 0].mean()
    assert all(
        sample.image[np.roll(nuclei, shift, (0, 1)), 0].mean() > inside
        for shift in ((3, 0), (-3, 0), (0, 3), (0, -3))
    )


def test_crops_of_nucls():
    dataset = open_dataset(DATA / "nucls")
    assert [(r.name, r.split) for r in dataset.records] == [
        ("test_1", "test"),
        ("train_1", "train"),
    ]
    found = inspect_dataset(dataset)
    assert found.counts == {"class 1": 23, "class 2": 16}
    assert found.scales == [0.2]
    assert 10 < found.median_um2["class 1"] < 30


def test_contact_sheet_shows_outlines_in_the_colours_of_the_classes():
    dataset = open_dataset(DATA / "nucls")
    sheet = ContactSheet(dataset.taxonomy)
    assert sheet.picture().dtype == np.uint8  # even without any image
    for sample in dataset:
        sheet.add(sample)
    picture = sheet.picture()
    for c in dataset.taxonomy.classes:
        assert (picture == c.color).all(-1).sum() > 1000


def test_contact_sheet_of_a_small_image(tmp_path):
    dataset = open_dataset(DATA / "dsb2018", taxonomy=Taxonomy.load("nucleus"))
    sample = dataset.load(dataset.records[0])
    small = type(sample)(
        sample.record,
        sample.image[:20, :31],
        sample.inst_map[:20, :31],
        sample.classes,
        sample.taxonomy,
        sample.mpp,
        np.array([[5.0, 5.0, 1.0]]),
        np.ones((20, 31), bool),
    )
    sheet = ContactSheet(dataset.taxonomy)
    sheet.add(small)
    assert sheet.picture().shape[2] == 3


def test_outlines_are_the_rim_of_each_nucleus():
    inst_map = np.zeros((6, 8), np.int32)
    inst_map[1:5, 1:4], inst_map[1:5, 4:7] = 1, 2
    edge = outlines(inst_map)
    assert not edge[inst_map == 0].any()
    assert np.argwhere((inst_map > 0) & ~edge).tolist() == [[2, 2], [2, 5], [3, 2], [3, 5]]
