import torch

from karyoscope.training.augmentation.geometry import Geometry


def positions(seed, **settings):
    rng = torch.Generator().manual_seed(seed)
    centre = torch.tensor([50.0, 80.0])
    return Geometry(**settings).positions(centre, centre + 7, 16, rng)


def test_without_scale_and_bend_neighbours_stay_one_pixel_apart():
    for seed in range(5):
        x, y = positions(seed, scale=0, elastic=0)
        step = torch.hypot(x[:, :, 1:] - x[:, :, :-1], y[:, :, 1:] - y[:, :, :-1])
        assert torch.allclose(step, torch.ones_like(step), atol=1e-4)


def test_quarter_turns_read_whole_pixels_of_the_same_window():
    x, y = positions(0, rotate=False, scale=0, elastic=0)
    for k, left in enumerate((42, 72)):
        assert torch.allclose(x[k].round(), x[k], atol=1e-4)
        assert sorted({round(v) for v in x[k].flatten().tolist()}) == list(range(left, left + 16))
        top = left + 7
        assert sorted({round(v) for v in y[k].flatten().tolist()}) == list(range(top, top + 16))


def test_scale_is_bounded():
    for seed in range(10):
        x, y = positions(seed, scale=0.25, elastic=0)
        step = torch.hypot(x[:, 0, 1] - x[:, 0, 0], y[:, 0, 1] - y[:, 0, 0])
        assert ((step > 1 / 1.2501) & (step < 1.2501)).all()


def test_elastic_bends_smoothly():
    straight = positions(3, elastic=0)[0]
    bent = positions(3, elastic=2.0)[0]
    shift = bent - straight
    assert shift.abs().max() > 0.1
    assert (shift[:, :, 1:] - shift[:, :, :-1]).abs().max() < 1.0
