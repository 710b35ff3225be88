import torch

from karyoscope.training.augmentation.colour import Colour, turned_hue

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
    settings = Colour().model_dump(exclude={"one_of"}) | {"median": 1.0, "hue": 16.0}
    for name, value in settings.items():
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


def test_hue_turns_about_grey_and_keeps_the_sum():
    grey = torch.full((3, 3, 8, 8), 90.0)
    turned = turned_hue(grey, torch.Generator().manual_seed(1), 30.0)
    assert torch.allclose(turned, grey, atol=1e-3)
    changed = turned_hue(image(), torch.Generator().manual_seed(1), 30.0)
    assert torch.allclose(changed.sum(1), image().sum(1), atol=1e-2)
    assert torch.allclose(changed.norm(dim=1), image().norm(dim=1), atol=1e-2)


def test_one_of_three_disturbances_falls_on_each_tile():
    tiles = torch.full((60, 3, 16, 16), 128.0)
    changed = Colour(**(STILL | {"noise": 10.0, "blur": 1.0, "median": 1.0, "one_of": True}))(
        tiles, torch.Generator().manual_seed(0)
    )
    # Blur and median leave a plain tile as it is; stain leaves rounding errors alone.
    noisy = (changed - 128).abs().amax((1, 2, 3)) > 0.5
    assert 8 <= int(noisy.sum()) <= 32
