"""Nuclei of rare classes that are pasted into tiles."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training.augmentation.colour import Colour  # noqa: E402
from karyoscope.training.augmentation.geometry import Geometry  # noqa: E402
from karyoscope.training.augmentation.pasting import Pasting, Patches, Tiles, paste  # noqa: E402
from karyoscope.training.data.batches import TileBatches  # noqa: E402
from karyoscope.training.data.donors import RareNuclei  # noqa: E402

PASTING = Pasting(nuclei=3, size=32, difference=442.0)
STILL = Colour(
    stain_scale=0, stain_shift=0, stain_turn=0,
    brightness=0, contrast=0, saturation=0, blur=0, noise=0,
)  # fmt: skip


def tiles_of(bank, n=6, size=96, seed=1):
    """Windows of the first image, unchanged."""
    rng = torch.Generator().manual_seed(seed)
    x, y = torch.rand(2, n, generator=rng) * 40 + 60
    still = Geometry(rotate=False, scale=0, elastic=0)
    images = torch.zeros(n, dtype=torch.int64)
    gathered = bank.gather(images, *still.positions(x, y, size, rng))
    return Tiles(*(t.clone() for t in gathered), {"soft": torch.ones(n, 2, size, size)}), rng


def test_a_pasted_nucleus_has_an_id_and_a_certain_class_and_covers_no_other(bank):
    before, _ = tiles_of(bank)
    after, rng = tiles_of(bank)
    count = RareNuclei.of(bank, PASTING).paste_into(after, rng)
    assert count.sum() > 0
    new = after.ids > bank.highest
    assert [len(t[t > bank.highest].unique()) for t in after.ids] == count.tolist()
    assert (before.ids[new] == 0).all()
    assert torch.equal(before.ids[~new], after.ids[~new])
    assert torch.equal(before.classes[~new], after.classes[~new])
    assert set(after.classes[new].tolist()) <= set(range(1, bank.n_classes + 1))
    for k in range(len(after.ids)):
        for number in after.ids[k][after.ids[k] > bank.highest].unique():
            assert len(after.classes[k][after.ids[k] == number].unique()) == 1


def test_pixels_change_at_the_nucleus_and_within_two_pixels_of_it_alone(bank):
    before, _ = tiles_of(bank)
    after, rng = tiles_of(bank)
    RareNuclei.of(bank, PASTING).paste_into(after, rng)
    new = (after.ids > bank.highest)[:, None].float()
    near = torch.nn.functional.max_pool2d(new, 5, 1, 2)[:, 0] > 0
    changed = (before.rgb != after.rgb).any(1)
    assert not (changed & ~near).any()
    assert changed[new[:, 0] > 0].float().mean() > 0.9
    assert (after.soft["soft"].permute(0, 2, 3, 1)[new[:, 0] > 0] == 0).all()
    assert (after.soft["soft"].permute(0, 2, 3, 1)[~near] == 1).all()


def test_nothing_is_pasted_where_no_place_is_suitable(bank):
    rare = RareNuclei.of(bank, Pasting(nuclei=2, size=32, difference=1e-6))
    before, _ = tiles_of(bank)
    after, rng = tiles_of(bank)
    assert rare.paste_into(after, rng).sum() == 0
    assert torch.equal(before.rgb, after.rgb)
    assert torch.equal(before.ids, after.ids)
    covered, rng = tiles_of(bank)
    covered.ids[:] = -1
    assert RareNuclei.of(bank, PASTING).paste_into(covered, rng).sum() == 0


def test_every_class_is_drawn_in_inverse_proportion_to_its_nuclei(bank):
    rare = RareNuclei.of(bank, PASTING)
    classes = rare.classes.long()
    counts = torch.bincount(classes).float()
    drawn = torch.zeros(len(counts)).index_add(0, classes, rare.probabilities)
    there = counts > 0
    assert there.sum() > 1
    product = (drawn * counts)[there]
    torch.testing.assert_close(product, product.mean().expand_as(product))


def test_a_pasted_nucleus_is_whole(bank):
    rare = RareNuclei.of(bank, PASTING)
    after, rng = tiles_of(bank, n=20)
    rare.paste_into(after, rng)
    areas = [(t == n).sum().item() for t in after.ids for n in t[t > bank.highest].unique()]
    of_nuclei = [
        (bank.ids[start : start + h * w] == number).sum().item()
        for start, h, w, here in zip(
            bank.starts, bank.heights, bank.widths, range(len(bank)), strict=True
        )
        for number in rare.ids[rare.image == here].tolist()
    ]
    assert len(of_nuclei) == len(rare.ids)
    # Rotation without interpolation adds or removes a few pixels of a small nucleus.
    assert min(areas) >= 0.7 * min(of_nuclei)
    assert max(areas) <= 1.2 * max(of_nuclei)


@pytest.mark.parametrize("background", [200.0, 190.0])
def test_colours_are_shifted_by_the_difference_of_the_surroundings(background):
    mask = torch.zeros(1, 24, 24, dtype=torch.bool)
    mask[:, 10:14, 10:14] = True
    rgb = torch.where(mask[:, None], 50.0, 200.0).expand(1, 3, 24, 24)
    patches = Patches(rgb, mask, ~mask, torch.tensor([2], dtype=torch.uint8))
    tiles = Tiles(
        torch.full((1, 3, 40, 40), background),
        torch.zeros(1, 40, 40, dtype=torch.int32),
        torch.zeros(1, 40, 40, dtype=torch.uint8),
        {},
    )
    settings = Pasting(nuclei=1, size=24)
    used = paste(tiles, patches, 7, settings, torch.Generator().manual_seed(0))
    assert used.tolist() == [True]
    new = tiles.ids == 7
    assert new.sum() == 16
    assert (tiles.classes[new] == 2).all()
    colours = tiles.rgb.permute(0, 2, 3, 1)[new]
    torch.testing.assert_close(colours, torch.full_like(colours, 50.0 + background - 200.0))


def test_both_views_of_a_tile_show_the_same_pasted_nuclei(bank):
    about = (["three_label", "types", "same_tissue"], 64, 6, Geometry(), STILL)
    image, targets = TileBatches(bank, *about, seed=2, pasting=PASTING).batch(0)
    plain, _ = TileBatches(bank, *about, seed=2).batch(0)
    assert not torch.equal(image, plain)
    first, second = image.chunk(2)
    same = targets["same_tissue"]
    found = (
        second.flatten(2)
        .gather(2, same.clamp(min=0).flatten(1)[:, None].expand(-1, 3, -1))
        .view_as(first)
    )
    shown = (same >= 0)[:, None].expand_as(first)
    torch.testing.assert_close(found[shown], first[shown])


def test_a_batch_without_pasting_is_as_before(bank):
    about = (["three_label", "types"], 64, 4, Geometry(), Colour())
    image, _ = TileBatches(bank, *about, seed=2).batch(3)
    none, _ = TileBatches(bank, *about, seed=2, pasting=Pasting()).batch(3)
    assert torch.equal(image, none)


def test_nuclei_that_may_be_parts_are_not_pasted(bank):
    """Those at the edge of the image, and those beside pixels that are not labelled."""
    whole = RareNuclei.of(bank, PASTING)
    h, w = int(bank.heights[0]), int(bank.widths[0])
    first = whole.image == 0
    number = whole.ids[first][0]
    ids = bank.ids.clone()
    view = ids[: h * w].view(h, w)
    row = int((view == number).nonzero()[:, 0].min())
    assert row > 0
    view[:row][view[:row] == 0] = -1
    kept = RareNuclei.of(replace(bank, ids=ids), PASTING)
    assert number not in kept.ids[kept.image == 0]
    assert torch.equal(kept.ids[kept.image > 0], whole.ids[whole.image > 0])
    at_edge = view[[0, -1]].unique(), view[:, [0, -1]].unique()
    assert not torch.isin(whole.ids[first], torch.cat(at_edge).clamp(min=0)).any()


def test_images_without_certain_classes_are_refused_in_one_line(bank):
    unknown = replace(bank, classes=torch.zeros_like(bank.classes))
    with pytest.raises(KaryoscopeError, match=r"training\.paste: no training image"):
        RareNuclei.of(unknown, PASTING)
