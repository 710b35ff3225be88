"""Laws about the values in annotations: each comes back as it was written, or is refused."""

from __future__ import annotations

import csv
import math

import cv2
import numpy as np
import pytest
from dataset_layouts import CASES
from dataset_pictures import pictures
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.scale import LARGEST_MPP, SMALLEST_MPP
from karyoscope.datasets import open_dataset
from karyoscope.datasets.labels import class_lookup, label_map
from karyoscope.datasets.writing import write_label_image, write_png

LABELS = np.zeros((12, 14), np.int32)
LABELS[1:4, 1:4], LABELS[6:9, 6:9], LABELS[6:9, 1:4] = 1, 2, 7

any_number = st.one_of(st.floats(), st.integers(-(10**30), 10**30), st.just(0.5))
quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def root(tmp_path):
    write_png(tmp_path / "images" / "a.png", np.full((12, 14, 3), 200, np.uint8))
    write_label_image(tmp_path / "labels", "a", LABELS)
    (tmp_path / "dataset.yaml").write_text("mpp: 0.5\n")
    return tmp_path


def read(root):
    """The only sample of a folder, or what is wrong with it."""
    dataset = open_dataset(root, "folder")
    samples = list(dataset)
    assert bool(samples) != bool(dataset.problems)
    return samples[0] if samples else dataset.problems[0]


@given(mpp=any_number, by=st.sampled_from(["argument", "dataset.yaml", "records.csv"]))
@quick
def test_a_scale_is_that_of_a_microscope_or_refused(root, mpp, by):
    (root / "dataset.yaml").write_text(f"mpp: {mpp if by == 'dataset.yaml' else 0.5}\n")
    given_one = f"name,mpp\na,{mpp}\n" if by == "records.csv" else "name\na\n"
    (root / "records.csv").write_text(given_one)
    try:
        mpp = float(mpp)
        (sample,) = open_dataset(root, "folder", mpp=mpp if by == "argument" else None)
    except KaryoscopeError:
        assert not SMALLEST_MPP <= mpp <= LARGEST_MPP or "e" in repr(mpp)
    else:
        # Only records.csv may say of one image that its scale is unknown.
        assert sample.mpp == mpp or (math.isnan(mpp) and by == "records.csv")
        assert math.isnan(mpp) or SMALLEST_MPP <= sample.mpp <= LARGEST_MPP


@pytest.mark.parametrize("mpp", ["0.5", True, [0.5], math.nan, math.inf, 0, -0.5, 1e-300])
def test_what_is_no_scale_is_refused_in_one_line(root, mpp):
    with pytest.raises(KaryoscopeError, match="no number of micrometres per pixel"):
        open_dataset(root, "folder", mpp=mpp)


@given(
    rows=st.lists(
        st.tuples(st.one_of(st.integers(-1, 8), any_number), st.sampled_from(["x", "y", ""])),
        max_size=4,
    )
)
@quick
def test_each_nucleus_has_the_class_of_its_row(root, rows):
    with (root / "labels" / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "class"), *rows])
    found = read(root)
    ids = [float(i) for i, _ in rows]
    sound = len(set(ids)) == len(ids) and {i for i in ids if i != 7} <= {1, 2}
    if isinstance(found, str):
        assert not sound or any(i not in LABELS for i in ids)
        return
    names = {int(i): name for (_, name), i in zip(rows, ids, strict=True)}
    assert len(names) == len(rows)
    for label in (1, 2, 7):
        name = names.get(label, "")
        # Where no row has a class at all, all nuclei are of the one class that there is.
        if any(names.values()):
            assert found.classes[label] == (found.taxonomy.id_of(name) if name else 0)


@given(x=any_number, y=any_number)
@quick
def test_a_point_is_on_the_image_or_refused(root, x, y):
    (root / "labels" / "a_points.csv").write_text(f"x,y,class\n3,4,t\n{x},{y},t\n")
    found = read(root)
    inside = -1 <= float(x) <= 15 and -1 <= float(y) <= 13
    if isinstance(found, str):
        assert not inside
    else:
        assert inside
        assert found.points[1, :2].tolist() == [float(x), float(y)]


@given(
    array=st.sampled_from(["f8", "f4", "i8", "u8", "i2", "u1", "?", ">i4"]).flatmap(
        lambda kind: arrays(np.dtype(kind), (3, 4))
    )
)
@settings(max_examples=150, deadline=None)
def test_a_label_map_is_the_array_or_refused(tmp_path_factory, array):
    try:
        found = label_map(array, tmp_path_factory.getbasetemp() / "a.npy")
    except KaryoscopeError:
        values = array.astype(np.float64)
        assert not ((values >= 0) & (values <= 2**24) & (values == np.floor(values))).all()
    else:
        assert found.dtype == np.int32
        np.testing.assert_array_equal(found, array)


@given(
    ids=st.lists(st.one_of(st.integers(-2, 6), st.floats()), max_size=5),
    classes=st.lists(st.one_of(st.integers(-2, 300), st.floats()), min_size=5, max_size=5),
)
@settings(max_examples=150, deadline=None)
def test_a_table_of_classes_is_looked_up_or_refused(tmp_path_factory, ids, classes):
    wanted = {}
    for i, c in zip(ids, classes, strict=False):
        wanted.setdefault(i, set()).add(c)
    given_ids, given_classes = np.array(ids, float), np.array(classes[: len(ids)], float)
    path = tmp_path_factory.getbasetemp() / "a.mat"
    try:
        table = class_lookup(given_ids, given_classes, 5, path)
    except KaryoscopeError:
        whole = all(float(i).is_integer() and abs(i) < 2**62 for i in ids)
        fit = all(float(c).is_integer() and 0 <= c <= 255 for c in classes[: len(ids)])
        once = all(len(found) == 1 for i, found in wanted.items() if 0 < i <= 5)
        assert not (whole and fit and once)
    else:
        assert table[0] == 0
        for i in range(1, 6):
            assert {table[i]} == wanted.get(i, {0})


@pytest.mark.parametrize("name", [n for n, case in CASES.items() if case.outlines])
def test_outlines_of_another_image_are_refused(name, tmp_path):
    made = pictures(CASES[name])
    CASES[name].write(tmp_path, made)
    before = list(open_dataset(tmp_path, name))
    assert all(sample.inst_map.any() for sample in before)
    image = sorted(tmp_path.glob(CASES[name].images))[0]
    cv2.imwrite(str(image), np.full((3, 3, 3), 200, np.uint8))
    dataset = open_dataset(tmp_path, name)
    assert len(list(dataset)) == 1
    assert "outlines lie outside the image of 3 x 3 pixels" in dataset.problems[0]
