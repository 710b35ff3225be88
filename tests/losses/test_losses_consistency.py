"""Consistency of two views, and labels from a teacher."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.losses.consistency import Consistency, cells  # noqa: E402
from karyoscope.losses.soft import SoftCrossEntropy  # noqa: E402
from karyoscope.training.augmentation.views import draw_second_views  # noqa: E402


def views_of(wide, size, shift, seed=0):
    """Both views of maps (n, c, size + 2 shift, size + 2 shift), and their correspondence."""
    drawn = draw_second_views(len(wide), size, shift, torch.Generator().manual_seed(seed))
    first = wide[..., shift : shift + size, shift : shift + size]
    index = drawn.source.flatten(1)[:, None].expand(-1, wide.shape[1], -1)
    second = wide.flatten(2).gather(2, index).view_as(first)
    return torch.cat([first, second]), drawn.same


def test_an_equivariant_network_has_no_loss():
    logits, same = views_of(torch.randn(6, 3, 38, 38), 32, 3)
    loss = Consistency("three_label")
    assert loss({"three_label": logits}, {"same_tissue": same}) == 0
    moved = {"three_label": logits.roll(1, 3)}
    assert loss(moved, {"same_tissue": same}) > 0.01


def test_coarser_maps_are_compared_where_cells_fit():
    """A map of 2 x 2 averages is equivariant under even shifts, and odd ones are left out."""
    wide = torch.randn(40, 4, 38, 38)
    logits, same = views_of(wide, 32, 3)
    coarse = torch.nn.functional.avg_pool2d(logits, 2)
    loss = Consistency("types")
    value = loss({"types": coarse}, {"same_tissue": same})
    assert value < 1e-10
    index = cells(same, 16)
    assert 0.1 < (index >= 0).float().mean() < 0.9


def test_cells_at_full_resolution_are_pixels():
    _, same = views_of(torch.randn(2, 1, 10, 10), 8, 1)
    assert torch.equal(cells(same, 8), same)


def test_hard_labels_give_the_plain_cross_entropy():
    logits = torch.randn(2, 3, 8, 8)
    labels = torch.randint(0, 3, (2, 8, 8))
    soft = torch.nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    found = SoftCrossEntropy("three_label")({"three_label": logits}, {"soft_three_label": soft})
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(logits, labels))


def test_pixels_without_a_teacher_do_not_count():
    logits = torch.randn(1, 3, 4, 4)
    soft = torch.full((1, 3, 4, 4), 1 / 3)
    whole = SoftCrossEntropy("types")({"types": logits[..., :2]}, {"soft_types": soft[..., :2]})
    soft[..., 2:] = 0
    part = SoftCrossEntropy("types")({"types": logits}, {"soft_types": soft})
    torch.testing.assert_close(part, whole)
