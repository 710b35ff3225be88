"""What every dataset must do; a new one inherits this by a line in ``dataset_layouts``."""

import math

import cv2
import numpy as np
import pytest
from dataset_layouts import CASES
from dataset_pictures import pictures, same_partition

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import NucleusClass, Taxonomy
from karyoscope.datasets import DATASETS, open_dataset, recognise

WITH_FILES = [name for name, case in CASES.items() if case.files]


@pytest.fixture(params=CASES)
def written(request, tmp_path):
    """Layout, its folder, and the pictures in it."""
    case = CASES[request.param]
    made = pictures(case)
    case.write(tmp_path / "data", made)
    return request.param, tmp_path / "data", made


def test_every_dataset_has_a_case():
    assert CASES.keys() == DATASETS.keys()


def test_layout_is_recognised(written):
    name, root, _ = written
    assert recognise(root) == name
    assert open_dataset(root).name == name


def test_records(written):
    name, root, made = written
    dataset = open_dataset(root, name)
    assert dataset.problems == []
    assert [r.name for r in dataset.records] == sorted(p.name for p in made)
    assert len(dataset) == len({r.name for r in dataset.records}) == len(made)
    assert {r.name: r.split for r in dataset.records} == {p.name: p.split for p in made}
    assert len({r.source for r in dataset.records}) == len(made)
    assert all(r.source for r in dataset.records)


def test_pixels_and_classes_come_back(written):
    name, root, made = written
    dataset = open_dataset(root, name)
    for sample, picture in zip(dataset, sorted(made, key=lambda p: p.name), strict=True):
        assert sample.image.dtype == np.uint8
        assert sample.inst_map.dtype == np.int32
        assert sample.classes.dtype == np.uint8
        np.testing.assert_array_equal(sample.image, picture.image)
        assert sample.image.shape[:2] == sample.inst_map.shape
        assert set(sample.classes.tolist()) <= {0, *dataset.taxonomy.ids}
        assert sample.taxonomy == dataset.taxonomy
        if CASES[name].points:
            assert not sample.inst_map.any()
            continue
        assert same_partition(sample.inst_map, picture.inst_map)
        np.testing.assert_array_equal(sample.class_map, picture.classes[picture.inst_map])


def test_scale_is_published_or_asked_for(written):
    name, root, _ = written
    dataset = open_dataset(root, name)
    if CASES[name].states_scale:
        assert 0.1 < dataset.mpp <= 0.5
    else:
        with pytest.raises(KaryoscopeError, match="--mpp"):
            _ = dataset.mpp
        assert all(math.isnan(sample.mpp) for sample in dataset)
    assert {s.mpp for s in open_dataset(root, name, mpp=0.3)} == {0.3}
    with pytest.raises(KaryoscopeError, match="micrometres"):
        open_dataset(root, name, mpp=-1.0)


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.numbers_classes])
def test_foreign_classes_are_named(name, tmp_path):
    CASES[name].write(tmp_path, pictures(CASES[name]))
    one = Taxonomy("one", (NucleusClass(77, "odd", (0, 0, 0)),))
    dataset = open_dataset(tmp_path, name, taxonomy=one)
    assert list(dataset) == []
    assert all("not in taxonomy 'one'" in problem for problem in dataset.problems)
    assert len(dataset.problems) == 2


@pytest.mark.parametrize("name", WITH_FILES)
def test_damaged_labels_are_named_and_the_rest_read(name, tmp_path):
    case = CASES[name]
    case.write(tmp_path, pictures(case))
    damaged = sorted(tmp_path.glob(case.labels))[0]
    damaged.write_bytes(b"\x00\xffnot what it says" * 3)
    dataset = open_dataset(tmp_path, name)
    assert len(list(dataset)) == 1
    assert len(dataset) == 1
    assert [damaged.name in problem for problem in dataset.problems] == [True]
    assert "\n" not in dataset.problems[0]


@pytest.mark.parametrize("name", WITH_FILES)
def test_empty_files_are_named_without_reading_pixels(name, tmp_path):
    case = CASES[name]
    case.write(tmp_path, pictures(case))
    empty = sorted(tmp_path.glob(case.images))[0]
    empty.write_bytes(b"")
    dataset = open_dataset(tmp_path, name)
    assert len(dataset.records) == 1
    assert [empty.name in problem for problem in dataset.problems] == [True]


@pytest.mark.parametrize("name", WITH_FILES)
def test_missing_partner_is_named(name, tmp_path):
    case = CASES[name]
    case.write(tmp_path, pictures(case))
    gone = sorted(tmp_path.glob(case.images))[0]
    gone.unlink()
    dataset = open_dataset(tmp_path, name)
    assert len(dataset.records) == 1
    assert any(gone.stem in problem for problem in dataset.problems)


@pytest.mark.parametrize("name", WITH_FILES)
def test_two_images_of_one_name_are_refused_unless_they_are_the_same(name, tmp_path):
    case = CASES[name]
    case.write(tmp_path, pictures(case))
    image = sorted(tmp_path.glob(case.images))[0]
    other = image.with_suffix(".webp" if image.suffix == ".png" else ".tiff")
    other.write_bytes(image.read_bytes())
    assert len(list(open_dataset(tmp_path, name))) == 2
    cv2.imwrite(str(other), np.zeros((40, 60, 3), np.uint8))
    with pytest.raises(KaryoscopeError, match="keep one of them") as caught:
        open_dataset(tmp_path, name)
    assert str(image) in str(caught.value)
    assert str(other) in str(caught.value)


@pytest.mark.parametrize("name", WITH_FILES)
def test_size_mismatch_is_named(name, tmp_path):
    case = CASES[name]
    case.write(tmp_path, pictures(case))
    image = sorted(tmp_path.glob(case.images))[0]
    cv2.imwrite(str(image), np.zeros((10, 12, 3), np.uint8))
    dataset = open_dataset(tmp_path, name)
    assert len(list(dataset)) == 1
    expected = "12 x 10 pixels" if case.outlines or case.points else "(10, 12)"
    assert expected in dataset.problems[0]


@pytest.mark.parametrize("name", DATASETS)
def test_empty_folder_is_an_error(name, tmp_path):
    with pytest.raises(KaryoscopeError) as caught:
        open_dataset(tmp_path, name)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [*DATASETS, None])
def test_missing_folder_is_an_error(name, tmp_path):
    with pytest.raises(KaryoscopeError, match="no such folder"):
        open_dataset(tmp_path / "nowhere", name)


def test_unknown_layout_is_an_error(tmp_path):
    with pytest.raises(KaryoscopeError, match="no dataset layout 'huh'"):
        open_dataset(tmp_path, "huh")
    with pytest.raises(KaryoscopeError, match="recognised"):
        open_dataset(tmp_path)


def test_a_dataset_and_its_samples_are_shown_by_name_and_sizes(written):
    name, root, _ = written
    dataset = open_dataset(root, name, mpp=0.5)
    classes = len(dataset.taxonomy)
    shown = f"{type(dataset).__name__}('data': {len(dataset)} images, {classes} classes, 0.5 µm/px)"
    assert repr(dataset) == shown
    sample = dataset[0]
    height, width = sample.inst_map.shape
    shown = repr(sample)
    assert shown.startswith(f"Sample({sample.record.name!r}, {width} x {height} px at 0.5 µm/px: ")
    nuclei = len(np.unique(sample.inst_map[sample.inst_map > 0]))
    held = f"{nuclei} nuclei" if sample.points is None else f"{len(sample.points)} points"
    assert shown.endswith(f": {held})")
