"""Two views of a tile show the same tissue where they say so."""

import pytest

torch = pytest.importorskip("torch")

from karyoscope.training.augmentation.colour import Colour  # noqa: E402
from karyoscope.training.augmentation.geometry import Geometry  # noqa: E402
from karyoscope.training.augmentation.views import draw_second_views  # noqa: E402
from karyoscope.training.data.batches import TileBatches  # noqa: E402

STILL = Colour(
    stain_scale=0, stain_shift=0, stain_turn=0,
    brightness=0, contrast=0, saturation=0, blur=0, noise=0,
)  # fmt: skip


def test_the_same_tissue_lies_where_it_is_said_to():
    size, shift, n = 16, 3, 40
    wide = torch.arange(n * (size + 2 * shift) ** 2).view(n, size + 2 * shift, -1)
    views = draw_second_views(n, size, shift, torch.Generator().manual_seed(1))
    first = wide[:, shift:-shift, shift:-shift]
    second = wide.flatten(1).gather(1, views.source.flatten(1))
    shown = views.same >= 0
    found = second.gather(1, views.same.clamp(min=0).flatten(1)).view_as(first)
    assert torch.equal(found[shown], first[shown])
    # A shift of up to 3 px leaves at least 13 of 16 rows and columns.
    assert shown.flatten(1).sum(1).min() >= 13 * 13
    # What is not shown is not in the second view at all.
    for k in range(n):
        hidden = first[k][~shown[k]]
        assert not torch.isin(hidden, second[k]).any()


def test_symmetries_and_shifts_all_occur():
    views = draw_second_views(400, 8, 1, torch.Generator().manual_seed(0))
    assert len({tuple(s.flatten().tolist()) for s in views.source}) == 8 * 9


def test_a_batch_of_pairs_shows_each_tile_twice(bank):
    batches = TileBatches(
        bank, ["three_label", "same_tissue"], 64, 6, Geometry(elastic=2.0), STILL, seed=2
    )
    image, targets = batches.batch(0)
    assert image.shape == (6, 3, 64, 64)
    same = targets["same_tissue"]
    assert same.shape == (3, 64, 64)
    first, second = image.chunk(2)
    flat = same.clamp(min=0).flatten(1)[:, None].expand(-1, 3, -1)
    found = second.flatten(2).gather(2, flat).view_as(first)
    shown = (same >= 0)[:, None].expand_as(first)
    torch.testing.assert_close(found[shown], first[shown])


def test_views_are_coloured_independently(bank):
    image, _ = TileBatches(bank, ["same_tissue"], 64, 4, Geometry(), Colour(), seed=2).batch(0)
    first, second = image.mean((2, 3)).chunk(2)
    assert not torch.allclose(first, second, atol=0.5)
