"""Images whose nuclei are points: what is known of each pixel, and training on them."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from tiny_recipe import write_recipe  # noqa: E402

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.core.taxonomy import Taxonomy  # noqa: E402
from karyoscope.datasets import open_dataset  # noqa: E402
from karyoscope.targets.points import BACKGROUND, BETWEEN, FIRST_POINT, point_sets  # noqa: E402
from karyoscope.training import train  # noqa: E402
from karyoscope.training.data.images import load_training_bank  # noqa: E402
from karyoscope.training.data.points import point_map  # noqa: E402
from karyoscope.training.kept import read_description  # noqa: E402
from karyoscope.training.recipe import load_recipe  # noqa: E402
from karyoscope.training.recipe.schema import PointLabels  # noqa: E402

CRCHISTO = Path(__file__).parents[4] / "shared" / "data" / "crchisto_sample"
MPP, H, W = 0.5, 48, 64
LOSSES = [{"name": "point_three_label"}, {"name": "point_types"}]
POINTS = st.lists(
    st.tuples(st.floats(0, W, exclude_max=True), st.floats(0, H, exclude_max=True)),
    max_size=6,
    unique_by=lambda p: (int(p[0]), int(p[1])),
)
RADII = st.tuples(st.floats(0, 3), st.floats(3.5, 12))


def marked(points, radii=(1.5, 10.0)):
    said = PointLabels(nucleus=radii[0], background=radii[1])
    return point_map(np.array(points, float).reshape(-1, 2), (H, W), MPP, said)


def distances(points):
    """Distance of every pixel to every point, in µm: (h, w, n)."""
    y, x = np.mgrid[:H, :W] + 0.5
    return MPP * np.stack([np.hypot(x - px, y - py) for px, py in points], -1)


@given(POINTS, RADII)
def test_every_point_has_its_pixel_and_pixels_belong_to_the_nearest_point(points, radii):
    ids, nearest = marked(points, radii)
    for k, (x, y) in enumerate(points):
        assert ids[int(y), int(x)] == FIRST_POINT - k
        assert nearest[int(y), int(x)] == k
    at_point = ids <= FIRST_POINT
    assert (ids[at_point] == FIRST_POINT - nearest[at_point]).all()
    if points:
        apart = distances(points)
        own = np.take_along_axis(apart, nearest[..., None], -1)[..., 0][at_point]
        # Beside its disc, a point has the pixel that it lies in.
        assert (own <= max(radii[0], MPP * np.sqrt(0.5)) + 1e-9).all()
        away = at_point & (apart.min(-1) > MPP)
        assert (apart.argmin(-1)[away] == nearest[away]).all()


@given(POINTS, RADII)
def test_background_is_what_is_far_from_all_points_and_halfway_lines_are_near_two(points, radii):
    ids, _ = marked(points, radii)
    if not points:
        assert (ids == BACKGROUND).all()
        return
    apart = np.sort(distances(points), -1)
    np.testing.assert_array_equal(ids == BACKGROUND, apart[..., 0] > radii[1])
    between = ids == BETWEEN
    if len(points) == 1:
        assert not between.any()
    else:
        assert (apart[between][:, 1] <= radii[1] + 1e-9).all()
        # No farther from the line than 0.75 px, so the two distances differ by twice that at most.
        assert (np.diff(apart[between][:, :2]) <= 2 * 0.75 * MPP + 1e-9).all()


@given(POINTS)
def test_a_quarter_turn_of_the_points_turns_the_labels(points):
    said = PointLabels.model_validate({})
    ids, _ = point_map(np.array(points, float).reshape(-1, 2), (H, W), MPP, said)
    turned = [(y, W - x) for x, y in points if x > 0]
    if len(turned) < len(points) or any(x == int(x) for x, _ in points):
        return
    again, _ = point_map(np.array(turned, float).reshape(-1, 2), (W, H), MPP, said)
    same = np.rot90(ids) == again
    # On a line exactly halfway between two points either may have a pixel.
    assert same.mean() > 0.98


@given(POINTS)
def test_without_a_distance_of_background_nothing_is_background(points):
    said = PointLabels(background=None)
    ids, _ = point_map(np.array(points, float).reshape(-1, 2), (H, W), MPP, said)
    assert not (ids == BACKGROUND).any()
    assert len(np.unique(ids[ids <= FIRST_POINT])) == len(points)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_sets_of_points(seed):
    rng = np.random.default_rng(seed)
    ids = torch.from_numpy(rng.integers(-6, 3, (1, 8, 8)).astype(np.int32))
    classes = torch.from_numpy(rng.integers(0, 4, (1, 8, 8)).astype(np.uint8))
    sets = torch.tensor([0, 2, 4, 0b110])
    found = point_sets(ids, classes, sets)
    at_point = ids <= FIRST_POINT
    assert (found[ids == BACKGROUND] == 1).all()
    assert (found[~at_point & (ids != BACKGROUND)] == 0).all()
    known = at_point & (classes > 0)
    assert (found[known] == sets[classes[known].long()]).all()
    unknown = found[at_point & (classes == 0)]
    assert not (unknown & 1).any()
    assert all(((unknown >> c) & 1 == 1).all() for c in (1, 2, 20))


def test_radii_must_be_in_order(tmp_path):
    path = write_recipe(tmp_path, losses=LOSSES)
    with pytest.raises(KaryoscopeError, match="background must be farther"):
        load_recipe(path, ["data.0.points={nucleus: 3, background: 2}"])


def as_points(folder):
    """The outlines of the tiny recipe's training images as points, of which one has no class."""
    labels = folder / "data" / "labels"
    split = json.loads((folder / "split.json").read_text("utf-8"))
    counts = 0
    for name in split["parts"]["train"]:
        ids = cv2.imread(str(labels / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        assert ids is not None
        cv2.imwrite(str(labels / f"{name}.png"), np.zeros_like(ids))
        rows = []
        for k in np.unique(ids[ids > 0]):
            y, x = (float(v.mean() + 0.5) for v in np.nonzero(ids == k))
            rows.append((x, y, 1 if rows else 0))
        counts += len(rows)
        with (labels / f"{name}_points.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("x", "y", "class"), *rows])
    return counts


def test_points_are_refused_where_no_loss_reads_them(tmp_path):
    path = write_recipe(tmp_path)
    as_points(tmp_path)
    with pytest.raises(KaryoscopeError, match=r"points without outlines.*finetune-points"):
        load_training_bank(load_recipe(path))


def test_a_set_of_points_is_trained_on(tmp_path):
    path = write_recipe(tmp_path, losses=LOSSES)
    count = as_points(tmp_path)
    recipe = load_recipe(path)
    bank = load_training_bank(recipe)
    at_point = bank.ids <= FIRST_POINT
    assert not (bank.ids >= 0).any()
    assert (bank.classes[~at_point] == 0).all()
    assert set(bank.classes[at_point].tolist()) == {0, 1}
    train(recipe, tmp_path / "run", device="cpu")
    described = read_description(tmp_path / "run")
    nuclei = described["data"][0]["nuclei"]
    assert nuclei["nucleus"] == count - 3
    assert nuclei["unclassified"] == 3
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    trained = [float(r["train/point_three_label"]) for r in rows if r["train/point_three_label"]]
    assert trained
    assert all(0 < value < 5 for value in trained)
    assert any(r["val/pq"] for r in rows)


def test_points_alone_are_validated_by_detection(tmp_path):
    path = write_recipe(tmp_path, losses=LOSSES)
    split = json.loads((tmp_path / "split.json").read_text("utf-8"))
    split["parts"] = {"train": [n for part in split["parts"].values() for n in part]}
    (tmp_path / "all.json").write_text(json.dumps(split))
    (tmp_path / "split.json").rename(tmp_path / "kept.json")
    (tmp_path / "all.json").rename(tmp_path / "split.json")
    as_points(tmp_path)
    (tmp_path / "kept.json").replace(tmp_path / "split.json")
    train(load_recipe(path), tmp_path / "run", device="cpu")
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    assert "val/pq" not in rows[0]
    assert any(0 <= float(r["val/f_d"]) <= 1 for r in rows if r["val/f_d"])
    assert (tmp_path / "run" / "best.ckpt").is_file()


def test_a_class_that_may_be_several_is_so_at_its_point(tmp_path):
    path = write_recipe(tmp_path, losses=LOSSES, taxonomy="lizard")
    as_points(tmp_path)
    recipe = load_recipe(path, ["data.0.may_be={nucleus: [lymphocyte, plasma]}"])
    bank = load_training_bank(recipe)
    lizard = Taxonomy.load("lizard")
    both = (1 << lizard.id_of("lymphocyte")) | (1 << lizard.id_of("plasma"))
    codes = bank.classes[bank.ids <= FIRST_POINT]
    assert set(bank.sets[codes.long()].tolist()) == {0, both}


def test_the_shipped_recipe_reads_published_points():
    if not CRCHISTO.is_dir():
        pytest.skip("the CRCHistoPhenotypes images are not here")
    recipe = load_recipe("finetune-points", [f"data.0.path={CRCHISTO}"])
    bank = load_training_bank(recipe)
    published = open_dataset(CRCHISTO)
    expected = 0
    for sample in published:
        if sample.record.name in bank.names:
            # Of two points in one pixel the second has it.
            expected += len(np.unique(np.floor(sample.points[:, :2]), axis=0))
    found = {
        (image, int(number))
        for image, start, end in zip(bank.names, bank.starts, [*bank.starts[1:], None], strict=True)
        for number in bank.ids[start:end][bank.ids[start:end] <= FIRST_POINT].unique()
    }
    assert len(found) == expected > 1000
    assert set(bank.classes[bank.ids <= FIRST_POINT].tolist()) == {0, *published.taxonomy.ids}
