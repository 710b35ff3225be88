"""Cutting images into CoNIC's patches, counting in them, and putting them together again."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import open_dataset
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.conic_patches import count_nuclei, cut, patch_corners, write_conic

LIZARD = Taxonomy.load("lizard")


def random_sample(height: int, width: int, seed: int, name: str = "glas_1") -> Sample:
    """Blocks of nuclei with gaps in the ids, some not classified."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(5000, 400).astype(np.int32)
    ids[::3] = 0
    blocks = rng.choice(ids, (height // 9 + 1, width // 9 + 1))
    inst_map = np.kron(blocks, np.ones((9, 9), np.int32))[:height, :width]
    classes = rng.integers(0, 7, int(inst_map.max()) + 1).astype(np.uint8)
    classes[0] = 0
    image = rng.integers(0, 255, (height, width, 3)).astype(np.uint8)
    return Sample(Record(name, name, "glas", "1"), image, inst_map, classes, LIZARD, 0.5)


def test_corners_are_in_the_published_order():
    assert patch_corners(522, 775) == [
        *[(0, 0), (0, 256), (0, 512), (256, 0), (256, 256), (256, 512)],  # the grid
        *[(266, 0), (266, 256), (266, 512)],  # ending at the bottom
        *[(0, 519), (256, 519)],  # ending at the right
        (266, 519),
    ]
    assert patch_corners(512, 256) == [(0, 0), (256, 0)]


def test_small_images_are_centred_and_mirrored():
    assert patch_corners(200, 256) == [(-28, 0)]
    sample = random_sample(200, 250, 1)
    image, labels, ids = cut(sample, (-28, -3))
    padded = np.pad(sample.image, ((28, 28), (3, 3), (0, 0)), "reflect")
    np.testing.assert_array_equal(image, padded)
    inst_map = np.pad(sample.inst_map, ((28, 28), (3, 3)), "reflect")
    np.testing.assert_array_equal(np.concatenate([[0], ids])[labels[..., 0]], inst_map)


def test_odd_missing_width_gives_two_patches_as_published():
    # The padding is rounded up on both sides, which makes 257 of 255.
    assert patch_corners(256, 255) == [(0, -1), (0, 0)]


@given(height=st.integers(1, 700), width=st.integers(1, 700))
@settings(max_examples=50, deadline=None)
def test_patches_cover_every_pixel_and_stay_inside(height, width):
    covered = np.zeros((height, width), bool)
    for row, column in patch_corners(height, width):
        covered[max(0, row) : row + 256, max(0, column) : column + 256] = True
        assert row + 256 <= height or height < 256
        assert column + 256 <= width or width < 256
    assert covered.all()


@given(height=st.integers(2, 540), width=st.integers(2, 540), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_round_trip_loses_no_pixel(height, width, seed, tmp_path_factory):
    root = tmp_path_factory.mktemp("conic")
    samples = [random_sample(height, width, seed), random_sample(300, 80, seed + 1, "dpath_2")]
    write_conic(samples, root, LIZARD)
    patches = open_dataset(root)
    assert patches.records[0].source == patches.records[0].name[:-5]
    for sample, back in zip(
        sorted(samples, key=lambda s: s.record.name), patches.whole(), strict=True
    ):
        assert back.record == sample.record
        np.testing.assert_array_equal(back.image, sample.image)
        np.testing.assert_array_equal(back.inst_map, sample.inst_map)
        np.testing.assert_array_equal(back.class_map, sample.class_map)
        assert back.mpp == sample.mpp


def test_arrays_are_as_published(tmp_path):
    write_conic([random_sample(256, 300, 3)], tmp_path, LIZARD)
    images, labels = np.load(tmp_path / "images.npy"), np.load(tmp_path / "labels.npy")
    assert (images.shape, images.dtype) == ((2, 256, 256, 3), np.uint8)
    assert (labels.shape, labels.dtype) == ((2, 256, 256, 2), np.uint16)
    for label in labels:
        ids = np.unique(label[..., 0])
        np.testing.assert_array_equal(ids, np.arange(len(ids)))
    lines = (tmp_path / "counts.csv").read_text("utf-8").split()
    assert lines[0] == "neutrophil,epithelial,lymphocyte,plasma,eosinophil,connective"
    assert (tmp_path / "patch_info.csv").read_text("utf-8").split() == [
        "patch_info",
        "glas_1-0000",
        "glas_1-0001",
    ]


def test_arrays_are_mapped_not_read(tmp_path):
    write_conic([random_sample(256, 300, 3)], tmp_path, LIZARD)
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset._images, np.memmap)


def test_patches_without_names_are_their_own_sources(tmp_path):
    write_conic([random_sample(256, 300, 3)], tmp_path, LIZARD)
    for name in ("patch_info.csv", "records.csv", "patches.csv"):
        (tmp_path / name).unlink()
    dataset = open_dataset(tmp_path)
    assert len({r.source for r in dataset.records}) == 2
    assert dataset.whole() is dataset
    assert "patch_info.csv" in dataset.problems[0]


def test_wrong_number_of_names_is_an_error(tmp_path):
    write_conic([random_sample(256, 300, 3)], tmp_path, LIZARD)
    (tmp_path / "patch_info.csv").write_text("patch_info\nglas_1-0000\n")
    with pytest.raises(KaryoscopeError, match="1 names for 2 patches"):
        open_dataset(tmp_path)


def test_a_nucleus_counts_with_one_pixel_in_the_central_224():
    inst_map = np.zeros((256, 256), np.int32)
    inst_map[0:17, 100] = 1  # reaches row 16, the first that counts
    inst_map[0:16, 120] = 2
    inst_map[239, 50], inst_map[240, 60] = 3, 4
    class_map = np.where(inst_map > 0, 2, 0)
    assert count_nuclei(inst_map, class_map, LIZARD) == [0, 2, 0, 0, 0, 0]


def test_counts_equal_the_published_script(shared):
    cases = np.load(shared / "golden" / "conic_cases.npz")
    expected = json.loads((shared / "golden" / "conic_expected.json").read_text("utf-8"))[
        "composition"
    ]
    order = expected["class_order"]
    for key in ("true", "pred"):
        for label, counts in zip(cases[key], expected[key], strict=True):
            found = dict(
                zip(LIZARD.names, count_nuclei(*label.transpose(2, 0, 1), LIZARD), strict=True)
            )
            assert [found[name] for name in order] == counts
