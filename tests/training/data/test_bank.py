import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.training.data.bank import PixelBank, mirrored


def test_whole_positions_give_the_pixels_back(bank: PixelBank, samples):
    for k, sample in enumerate(samples):
        y, x = torch.meshgrid(torch.arange(5.0, 21), torch.arange(7.0, 30), indexing="ij")
        rgb, ids, classes = bank.gather(torch.tensor([k]), x[None], y[None])
        window = (slice(5, 21), slice(7, 30))
        assert (rgb[0].permute(1, 2, 0).numpy() == sample.image[window]).all()
        assert (ids[0].numpy() == sample.inst_map[window]).all()
        assert (classes[0].numpy() == sample.class_map[window]).all()


def test_half_positions_are_the_mean_of_two_pixels(bank: PixelBank, samples):
    x, y = torch.tensor([[[10.5]]]), torch.tensor([[[4.0]]])
    rgb, _, _ = bank.gather(torch.tensor([1]), x, y)
    expected = samples[1].image[4, 10:12].astype(float).mean(0)
    assert torch.allclose(rgb[0, :, 0, 0].double(), torch.tensor(expected))


def test_beyond_the_edge_there_is_an_image_but_no_label(bank: PixelBank, samples):
    x, y = torch.full((1, 1, 1), -3.0), torch.zeros(1, 1, 1)
    rgb, ids, classes = bank.gather(torch.tensor([0]), x, y)
    assert ids.item() == -1
    assert classes.item() == 0
    assert (rgb[0, :, 0, 0].numpy() == samples[0].image[0, 2]).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(-1000, 1000), st.integers(1, 50))
def test_mirror_stays_inside_and_is_even_about_the_edge(index, size):
    value = int(mirrored(torch.tensor(index), torch.tensor(size)))
    assert 0 <= value < size
    assert value == int(mirrored(torch.tensor(-1 - index), torch.tensor(size)))
