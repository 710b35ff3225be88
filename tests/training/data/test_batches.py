import torch

from karyoscope.training.augmentation.colour import Colour
from karyoscope.training.augmentation.geometry import Geometry
from karyoscope.training.data.batches import TileBatches

TARGETS = ["three_label", "centre", "types"]


def batches(bank, **settings):
    return TileBatches(bank, TARGETS, 64, 4, Geometry(), Colour(), **settings)


def test_a_batch_depends_on_seed_and_step_alone(bank):
    image, targets = batches(bank, seed=3).batch(7)
    again, targets_again = batches(bank, seed=3).batch(7)
    assert torch.equal(image, again)
    assert all(torch.equal(targets[name], targets_again[name]) for name in TARGETS)
    assert not torch.equal(image, batches(bank, seed=3).batch(8)[0])
    assert not torch.equal(image, batches(bank, seed=4).batch(7)[0])


def test_a_stopped_run_goes_on_with_the_same_batches(bank):
    whole = batches(bank)
    resumed = batches(bank)
    resumed.first_step = 2
    stream = iter(whole)
    next(stream), next(stream)
    assert torch.equal(next(stream)[0], next(iter(resumed))[0])


def test_shapes_and_ranges(bank):
    image, targets = batches(bank).batch(0)
    assert image.shape == (4, 3, 64, 64)
    assert image.min() >= 0
    assert image.max() <= 255
    assert targets["three_label"].shape == targets["types"].shape == (4, 64, 64)
    assert targets["centre"].shape == (4, 2, 64, 64)
    assert set(targets["three_label"].unique().tolist()) <= {0, 1, 2, 255}
    assert set(targets["types"].unique().tolist()) <= {0, 1, 2, 255}


def test_weights_decide_which_images_are_drawn(samples):
    from karyoscope.training.data.bank import PixelBank

    bank = PixelBank.from_samples(samples, [1.0, 1e-9, 1e-9], 2)
    made = batches(bank, balanced=0.5)
    first = made.tiles.image == 0
    assert made.probabilities[first].sum() > 0.999
