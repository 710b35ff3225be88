"""A teacher's probabilities: computed for every pixel, read like labels."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training import teacher  # noqa: E402
from karyoscope.training.teacher import mean_of, mean_of_views, soft_labels, windows_of_one_size  # noqa: E402


def red_and_green(rgb):
    """A teacher whose probabilities are colours, so that they can be looked up."""
    return torch.cat([rgb[:, :2], rgb[:, :2]], 1) / 255


@pytest.mark.parametrize("largest", [24, 33, 1024])
def test_every_pixel_gets_what_the_teacher_says_of_it(bank, monkeypatch, largest):
    monkeypatch.setattr(teacher, "LARGEST", largest)
    monkeypatch.setattr(teacher, "CONTEXT", 8)
    soft = soft_labels(bank, red_and_green)
    assert torch.equal(soft, torch.cat([bank.rgb[:, :2], bank.rgb[:, :2]], 1))


def test_windows_of_one_size_as_on_a_gpu_cover_every_pixel_too(bank, monkeypatch):
    monkeypatch.setattr(teacher, "WINDOW", 48)
    monkeypatch.setattr(teacher, "CONTEXT", 8)
    soft = soft_labels(bank, red_and_green, windows=windows_of_one_size(bank, 3))
    assert torch.equal(soft, torch.cat([bank.rgb[:, :2], bank.rgb[:, :2]], 1))


def test_the_mean_of_teachers_is_rounded_once():
    values = [torch.tensor([[0, 255, 10]], dtype=torch.uint8), torch.full((1, 3), 11).byte()]
    assert mean_of(iter(values[:1])) is values[0]
    assert mean_of(iter(values)).tolist() == [[6, 133, 10]]
    assert mean_of(iter([*values, values[0]])).tolist() == [[4, 174, 10]]


def test_the_mean_of_views_is_the_same_for_all_views():
    torch.manual_seed(0)
    lopsided = torch.nn.Conv2d(3, 2, 3, padding=1)
    rgb = torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        found = mean_of_views(lopsided, rgb)
        for turned in (lambda t: t.flip(2), lambda t: t.rot90(1, (2, 3))):
            torch.testing.assert_close(mean_of_views(lopsided, turned(rgb)), turned(found))
        found = mean_of_views(lopsided, rgb, views=4)
        turned = rgb.rot90(1, (2, 3))
        torch.testing.assert_close(mean_of_views(lopsided, turned, 4), found.rot90(1, (2, 3)))
        torch.testing.assert_close(mean_of_views(lopsided, rgb, 1), lopsided(rgb))


def test_soft_labels_are_read_at_positions(bank):
    from dataclasses import replace

    k = bank.n_classes
    soft = torch.zeros(len(bank.rgb), 2 + k, dtype=torch.uint8)
    soft[:, 0], soft[:, 2] = 51, 255
    taught = replace(bank, soft=soft)
    x, y = torch.tensor([[[0.0, -5.0]]]), torch.tensor([[[0.0, 0.0]]])
    labels = taught.soft_labels(torch.tensor([0]), x, y)
    torch.testing.assert_close(labels["soft_three_label"][0, :, 0, 0], torch.tensor([0.8, 0.2, 0]))
    assert labels["soft_types"][0, :, 0, 0].tolist() == [0, 1] + [0] * (k - 1)
    assert not labels["soft_three_label"][..., 1].any()
    with pytest.raises(KaryoscopeError, match="no teacher"):
        bank.soft_labels(torch.tensor([0]), x, y)
