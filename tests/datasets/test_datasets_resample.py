"""Images and labels at another scale, and scales that are stated or not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from karyoscope.cli.data import app
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Record, Sample, open_dataset
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.resample import resample, resampled

NUCLEUS = Taxonomy.load("nucleus")


def sample(name="a", mpp=0.25, shape=(60, 90)):
    rng = np.random.default_rng(0)
    inst_map = np.zeros(shape, np.int32)
    inst_map[10:30, 20:50] = 1
    return Sample(
        Record(name, name),
        rng.integers(0, 256, (*shape, 3), np.uint8),
        inst_map,
        np.array([0, 1], np.uint8),
        NUCLEUS,
        mpp,
        points=np.array([[20.0, 10.0, 1.0]]),
        ignore=inst_map > 0,
    )


def test_halved_pixels_are_means_and_labels_stay_in_place():
    before = sample()
    after = resample(before, 0.5)
    blocks = before.image.astype(float).reshape(30, 2, 45, 2, 3).mean((1, 3))
    assert np.abs(after.image - blocks).max() <= 0.51
    expected = np.zeros((30, 45), np.int32)
    expected[5:15, 10:25] = 1
    np.testing.assert_array_equal(after.inst_map, expected)
    np.testing.assert_array_equal(after.ignore, expected > 0)
    assert after.points.tolist() == [[10, 5, 1]]
    assert after.mpp == 0.5
    assert (after.image.dtype, after.inst_map.dtype) == (np.uint8, np.int32)


@pytest.mark.parametrize("mpp", [0.4, 0.1, 0.7])
def test_centres_of_nuclei_stay_where_they_are_on_the_slide(mpp):
    before = sample(shape=(400, 300))
    after = resample(before, mpp)
    centres = [(np.argwhere(s.inst_map == 1).mean(0) + 0.5) * s.mpp for s in (before, after)]
    np.testing.assert_allclose(centres[1], centres[0], atol=0.5 * mpp)


def test_doubled_and_halved_labels_are_the_same():
    before = sample()
    back = resample(resample(before, 0.125), 0.25)
    np.testing.assert_array_equal(back.inst_map, before.inst_map)


@pytest.mark.parametrize("mpp", [0.243, 0.25, 0.257])
def test_nothing_changes_within_three_percent(mpp):
    before = sample()
    assert resample(before, mpp) is before
    assert resample(before, 0.26) is not before


def test_each_image_is_resampled_by_its_own_scale(tmp_path):
    write_folder([sample("a"), sample("b", 0.5), sample("c", 1.0)], tmp_path, NUCLEUS)
    shapes = [s.inst_map.shape for s in resampled(open_dataset(tmp_path), 0.5)]
    assert shapes == [(30, 45), (60, 90), (120, 180)]


def convert(source, out, *options):
    arguments = ["convert", source, "--to", "folder", "--out", out, "--json", *options]
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_stated_scale_is_not_overruled_without_a_word(tmp_path):
    write_folder([sample()], tmp_path / "in", NUCLEUS)
    found = convert(tmp_path / "in", tmp_path / "out", "--mpp", 0.5)
    assert found.exit_code == 1
    assert "at 0.25 µm/px, and --mpp 0.5 changes no pixel: --to-mpp 0.5" in str(found.exception)
    assert "\n" not in str(found.exception)
    assert not (tmp_path / "out").exists()
    assert convert(tmp_path / "in", tmp_path / "out", "--to-mpp", 0.5).exit_code == 0
    (after,) = open_dataset(tmp_path / "out")
    assert (after.inst_map.shape, after.mpp) == ((30, 45), 0.5)


def test_a_scale_is_given_to_images_that_have_none(tmp_path):
    write_folder([sample("a", float("nan"))], tmp_path / "in", NUCLEUS)
    assert convert(tmp_path / "in", tmp_path / "out", "--mpp", 0.25).exit_code == 0
    (after,) = open_dataset(tmp_path / "out")
    assert (after.inst_map.shape, after.mpp) == ((60, 90), 0.25)
    both = convert(tmp_path / "in", tmp_path / "both", "--mpp", 0.25, "--to-mpp", 0.5)
    assert both.exit_code == 0
    (after,) = open_dataset(tmp_path / "both")
    assert (after.inst_map.shape, after.mpp) == ((30, 45), 0.5)


def test_an_image_that_states_another_scale_is_named(tmp_path):
    write_folder([sample("a"), replace(sample("b"), mpp=0.5)], tmp_path / "in", NUCLEUS)
    found = convert(tmp_path / "in", tmp_path / "out", "--mpp", 0.25)
    assert found.exit_code == 1
    (problem,) = json.loads(found.stdout)["problems"]
    assert problem.startswith("the pixels of b are at 0.5 µm/px, and --mpp 0.25")


@pytest.mark.parametrize(("mpp", "to"), [(0.25, 0.5), (0.125, 0.5), (0.25, 0.6)])
def test_shrunk_nuclei_keep_their_place_and_size(mpp, to):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96] + 0.5
    moved, sizes = [], []
    for _ in range(100):
        centre = 48 + rng.uniform(-2, 2, 2)
        disc = (np.hypot(y - centre[0], x - centre[1]) < 20).astype(np.int32)
        before = replace(sample(mpp=mpp, shape=(96, 96)), inst_map=disc, ignore=None)
        after = resample(before, to).inst_map
        scale = 96 / after.shape[0]
        moved.append((np.argwhere(after).mean(0) + 0.5) * scale - centre)
        sizes.append(after.sum() * scale**2 / disc.sum())
    # A hundredth of a pixel on average; to take the lower right pixel of four gives half a pixel.
    assert np.abs(np.mean(moved, 0)).max() < 0.1
    assert np.mean(sizes) == pytest.approx(1, abs=0.01)


def test_most_of_four_pixels_decide():
    before = sample(shape=(4, 4))
    inst_map = np.array([[3, 3, 1, 2], [3, 5, 2, 2], [0, 0, 7, 7], [0, 4, 8, 8]], np.int32)
    before = replace(before, inst_map=inst_map, classes=np.zeros(9, np.uint8), ignore=None)
    found = resample(before, 0.5).inst_map
    assert found[0].tolist() == [3, 2]
    assert found[1, 0] == 0
    assert found[1, 1] in (7, 8)
