import torch

from karyoscope.training.colour import Colour

STILL = {
    "stain_scale": 0, "stain_shift": 0, "stain_turn": 0, "brightness": 0, "contrast": 0,
    "saturation": 0, "blur": 0, "median": 0, "noise": 0,
}  # fmt: skip


def image(seed=0):
    return torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(seed)) * 254


def vary(seed=0, **settings):
    return Colour(**(STILL | settings))(image(), torch.Generator().manual_seed(seed))


def test_without_any_spread_nothing_changes():
    assert torch.allclose(vary(), image(), atol=0.05)


def test_each_setting_changes_colours_and_stays_in_range():
    for name, value in (Colour().model_dump() | {"median": 1.0}).items():
        changed = vary(**{name: value})
        assert (changed - image()).abs().max() > 0.5, name
        assert changed.min() >= 0
        assert changed.max() <= 255


def test_stain_shift_alone_keeps_white_nearly_white():
    white = torch.full((1, 3, 8, 8), 255.0)
    scaled = Colour(**(STILL | {"stain_scale": 0.3}))(white, torch.Generator().manual_seed(1))
    assert torch.allclose(scaled, white, atol=0.5)


def test_images_of_a_batch_vary_independently():
    same = torch.full((2, 3, 8, 8), 120.0)
    changed = Colour()(same, torch.Generator().manual_seed(5))
    assert (changed[0].mean((1, 2)) - changed[1].mean((1, 2))).abs().max() > 1


def test_a_median_removes_single_pixels_and_keeps_edges():
    spots = torch.full((1, 3, 9, 9), 100.0)
    spots[..., 5:] = 200
    clean = spots.clone()
    spots[..., 2, 2] = 250
    smoothed = Colour(**(STILL | {"median": 1.0}))(spots, torch.Generator().manual_seed(1))
    assert torch.allclose(smoothed, clean, atol=0.05)
