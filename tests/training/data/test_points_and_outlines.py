"""Images with outlines and images with points in one recipe: each loss learns from its own."""

import csv
import shutil

import cv2
import numpy as np
import pytest
from own_images import own_images

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.losses import LOSSES, build_loss  # noqa: E402
from karyoscope.targets import OF_POINTS  # noqa: E402
from karyoscope.targets.points import FIRST_POINT  # noqa: E402
from karyoscope.training import train  # noqa: E402
from karyoscope.training.data.images import load_training_bank  # noqa: E402
from karyoscope.training.kept import read_description  # noqa: E402
from karyoscope.training.module import NucleusModule  # noqa: E402
from karyoscope.training.recipe.losses import point_losses_of  # noqa: E402
from karyoscope.training.run import batches_of  # noqa: E402
from karyoscope.training.source import RecipeSource, recipe_of  # noqa: E402

SMALL = ["training.batch_size=2", "training.tile=64", "training.precision=fp32"]


@pytest.fixture
def folders(tmp_path):
    """Three images with outlines, and two others with points, all with own class names."""
    names = own_images(tmp_path / "all", 5)
    for name in names:
        to = tmp_path / ("points" if name in names[3:] else "outlines")
        for part in ("images", "labels"):
            (to / part).mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / "all" / part / f"{name}.png", to / part)
        labels = cv2.imread(str(to / "labels" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
        ids = [int(k) for k in np.unique(labels) if k]
        rows = [(k, ("Tumour", "Immune")[k % 2]) for k in ids]
        head, file = ("id", "class"), f"{name}.csv"
        if name in names[3:]:
            centres = [np.argwhere(labels == k).mean(0) + 0.5 for k in ids]
            rows = [(x, y, c) for (y, x), (_, c) in zip(centres, rows, strict=True)]
            head, file = ("x", "y", "class"), f"{name}_points.csv"
            (to / "labels" / f"{name}.png").unlink()
        with (to / "labels" / file).open("w", newline="") as table:
            csv.writer(table).writerows([head, *rows])
    return tmp_path / "outlines", tmp_path / "points"


@pytest.fixture
def mixed(folders, tmp_path):
    outlines, points = folders
    wanted = RecipeSource(data=outlines, start="lizard", mpp=0.5, points=points)
    return recipe_of(wanted, tmp_path / "run", [*SMALL, "training.steps=2"])


def test_one_folder_of_each_makes_a_recipe_with_losses_for_both(mixed, tmp_path):
    named = [loss.name for loss in mixed.losses]
    assert {"three_label", "point_three_label", "point_types"} <= {*named}
    assert len(named) == len({*named})
    assert [source.path.name for source in mixed.data] == ["outlines", "points"]
    train(mixed, tmp_path / "run", device="cpu")
    outlines, points = read_description(tmp_path / "run")["data"]
    for data in (outlines, points):
        assert all(data["nuclei"][name] > 0 for name in ("tumour", "immune"))
    rows = list(csv.DictReader((tmp_path / "run" / "log.csv").open()))
    trained = {n for row in rows for n, v in row.items() if v and n.startswith("train/")}
    assert {f"train/{name}" for name in named} <= trained


def test_every_pixel_is_labelled_by_outlines_or_by_points(mixed):
    bank = load_training_bank(mixed)
    batches = batches_of(mixed, bank, NucleusModule(mixed, 2))
    batches.targets = ["three_label", "class_sets", "points", "point_sets"]
    of_points = bank.starts[next(k for k, s in enumerate(bank.names) if is_of_points(bank, k))]
    assert (bank.ids[of_points:] < 0).all()
    assert (bank.ids[:of_points] >= 0).all()
    seen = set()
    for step in range(12):
        _, targets = batches.batch(step)
        for k in range(2):
            by_outline = bool((targets["three_label"][k] != 255).any())
            by_point = bool((targets["points"][k] != 255).any())
            assert not (by_outline and by_point)
            assert bool(targets["class_sets"][k].any()) <= by_outline
            assert bool(targets["point_sets"][k].any()) <= by_point
            seen |= {"outline"} if by_outline else set()
            seen |= {"point"} if by_point else set()
    assert seen == {"outline", "point"}


def is_of_points(bank, k):
    start = int(bank.starts[k])
    pixels = int(bank.heights[k]) * int(bank.widths[k])
    return bool((bank.ids[start : start + pixels] <= FIRST_POINT).any())


def test_no_loss_changes_the_prediction_of_an_image_of_the_other_kind(mixed):
    """The gradient of every loss is zero on the tiles whose labels it does not read."""
    bank = load_training_bank(mixed)
    module = NucleusModule(mixed, 2)
    batches = batches_of(mixed, bank, module)
    needed = {n for loss in module.losses.values() for n in loss.needs}
    batches.targets = sorted({*needed, "points", "three_label"} - {"same_tissue"})
    for step in range(20):
        image, targets = batches.batch(step)
        by_point = (targets["points"] != 255).flatten(1).any(1)
        by_outline = (targets["three_label"] != 255).flatten(1).any(1)
        if by_point.any() and by_outline.any():
            break
    else:
        pytest.fail("no batch has tiles of both kinds")
    outputs = {k: v.detach().requires_grad_() for k, v in module(image).items()}
    for name in (loss.name for loss in mixed.losses):
        loss = build_loss(name, 2, mixed.mpp)
        if {*loss.needs} & {"same_tissue"}:
            continue
        value = loss(outputs, targets)
        reads = [outputs[output] for output in loss.reads]
        other = by_outline if {*loss.needs} & {*OF_POINTS} else by_point
        for gradient in torch.autograd.grad(value, reads, allow_unused=True):
            assert not gradient[other].any(), name
            assert gradient[~other].any(), name


def test_every_loss_of_outlines_leaves_points_alone_and_the_other_way_round():
    from loss_cases import REQUIRED, batch_targets, labels, outputs_at

    targets = batch_targets(*labels())
    for name in LOSSES:
        loss = build_loss(name, 3, 0.5, **REQUIRED.get(name, {}))
        if {*loss.needs} & {
            "same_tissue",
            "soft_three_label",
            "soft_types",
        } or name == "perceptual":
            continue
        outputs = {k: v.requires_grad_() for k, v in outputs_at(targets, 0.3).items()}
        value = loss(outputs, targets)
        for gradient in torch.autograd.grad(value, [outputs[o] for o in loss.reads]):
            # Tiles 2 and 5 of six are labelled by points.
            points = gradient[[2, 5]].abs().sum()
            outlines = gradient[[0, 1, 3, 4]].abs().sum()
            reads_points = bool({*loss.needs} & {*OF_POINTS})
            assert bool(points) == reads_points, name
            assert bool(outlines) == (not reads_points), name


def test_outlines_that_no_loss_reads_are_an_error(folders, tmp_path):
    outlines, points = folders
    changes = ["losses=[{name: point_three_label}]", "training.steps=1", *SMALL]
    recipe = recipe_of(
        RecipeSource(data=outlines, start="lizard", mpp=0.5), tmp_path / "run", changes
    )
    with pytest.raises(KaryoscopeError, match=r"labels are outlines.*--points POINTS"):
        load_training_bank(recipe)
    with pytest.raises(KaryoscopeError, match="points is a property of a folder"):
        recipe_of(RecipeSource("finetune", points=points), tmp_path / "run")


def test_a_network_that_points_do_not_teach_is_named():
    names = [loss["name"] for loss in point_losses_of({"name": "hovernet"}, 3)]
    assert names == ["point_np", "point_types"]
    with pytest.raises(KaryoscopeError, match="'fcn8s' has no output that points teach"):
        point_losses_of({"name": "fcn8s"}, 3)
