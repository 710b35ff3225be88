import numpy as np
import torch

from karyoscope.training.data.sampling import TileIndex, importance


def test_importance_is_equation_2_of_bern():
    shares = np.array([[0.9, 0.1, 0.0], [0.5, 0.4, 0.1], [1.0, 0.0, 0.0]])
    expected = (shares / shares.sum(0)).mean(1)
    found = importance(torch.tensor(shares))
    assert np.allclose(found.numpy(), expected)
    assert np.isclose(found.sum().item(), 1.0)


def test_a_class_that_occurs_nowhere_is_left_out():
    found = importance(torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0]]))
    assert torch.allclose(found, torch.tensor([0.5, 0.5]))


def test_tiles_cover_every_image_and_count_their_pixels(bank, samples):
    tiles = TileIndex.over(bank, size=64, step=32)
    assert set(tiles.image.tolist()) == {0, 1, 2}
    assert torch.allclose(tiles.shares.sum(1), torch.ones(len(tiles.image)))
    first = samples[0].class_map[:64, :64]
    expected = np.bincount(first.ravel(), minlength=3) / first.size
    assert np.allclose(tiles.shares[0].numpy(), expected)
