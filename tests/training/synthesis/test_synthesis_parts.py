"""Layouts, windows, batches and features of the mask-to-image part."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.training.data.bank import PixelBank  # noqa: E402
from karyoscope.training.synthesis.layouts import (  # noqa: E402
    LayoutTiles,
    TileWindows,
    make_layout,
    style_of,
    to_signed,
)


def test_layout_of_two_touching_nuclei():
    ids = torch.tensor([[[0, 0, 0, 0, 0], [0, 1, 1, 2, 2], [0, 1, 1, 2, 2], [0, 1, 1, 2, 2]]])
    classes = torch.tensor([0, 2, 0])[ids]
    layout = make_layout(ids, classes, 3)[0]
    assert layout.shape == (5, 4, 5)
    assert torch.equal(layout[1], (ids[0] == 1).float())  # class 2
    assert layout[0].sum() == layout[2].sum() == 0  # nucleus 2 has no class
    assert torch.equal(layout[3], (ids[0] > 0).float())
    edges = [[0, 0, 0, 0, 0], [0, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0]]
    assert layout[4].tolist() == edges


def test_pixels_without_label_are_background():
    ids = torch.tensor([[[-1, -1, 3, 3]]])
    layout = make_layout(ids, torch.tensor([[[0, 0, 1, 1]]]), 1)[0]
    assert layout.tolist() == [[[0, 0, 1, 1]], [[0, 0, 1, 1]], [[0, 0, 1, 0]]]


def test_style_is_mean_and_deviation():
    image = torch.rand(2, 3, 9, 7)
    style = style_of(image).numpy()
    assert np.allclose(style[:, :3], image.numpy().mean((2, 3)), atol=1e-6)
    assert np.allclose(style[:, 3:], image.numpy().std((2, 3), ddof=1), atol=1e-6)
    assert to_signed(torch.tensor([0.0, 255.0])).tolist() == [-1, 1]


def test_windows_are_cut_as_the_images_are_stored(bank, samples):
    windows = TileWindows(bank, 64, 0.5)
    images, rows, columns = windows.draw(40, torch.Generator().manual_seed(0))
    rgb, ids, classes = windows.read(images, rows, columns)
    assert len({(i, r, c) for i, r, c in zip(*(t.tolist() for t in (images, rows, columns)),
                                             strict=True)}) > 20  # fmt: skip
    for k in range(40):
        sample = samples[images[k]]
        cut = (slice(rows[k], rows[k] + 64), slice(columns[k], columns[k] + 64))
        assert np.array_equal(rgb[k].permute(1, 2, 0).numpy(), sample.image[cut])
        assert np.array_equal(ids[k].numpy(), sample.inst_map[cut])
        assert np.array_equal(classes[k].numpy(), sample.class_map[cut])


def test_windows_larger_than_an_image_are_refused(bank):
    with pytest.raises(KaryoscopeError, match="do not fit into images of"):
        TileWindows(bank, 4096, 0.0)


def test_a_rare_class_is_drawn_more_often(samples):
    from dataclasses import replace

    rare = [replace(s, classes=np.minimum(s.classes, 1)) for s in samples]
    ids = rare[0].inst_map
    nucleus = int(ids[ids > 0][0])
    classes = rare[0].classes.copy()
    classes[nucleus] = 2
    bank = PixelBank.from_samples([replace(rare[0], classes=classes), *rare[1:]], [1.0] * 3, 2)

    def share(balanced):
        windows = TileWindows(bank, 64, balanced)
        drawn = windows.draw(200, torch.Generator().manual_seed(0))
        return (windows.read(*drawn)[2] == 2).flatten(1).any(1).float().mean()

    assert share(1.0) > 2 * share(0.0)


def test_batch_depends_on_seed_and_number_alone(bank):
    windows = TileWindows(bank, 32, 0.0)
    batches = LayoutTiles(windows, 4, seed=5)
    for found, again in zip(batches.batch(7), LayoutTiles(windows, 4, seed=5).batch(7),
                            strict=True):  # fmt: skip
        assert torch.equal(found, again)
    assert not torch.equal(batches.batch(7)[0], batches.batch(8)[0])


def test_labels_are_turned_with_their_image(samples):
    """An image that shows its own ids still shows them after turns and flips."""
    from dataclasses import replace

    shown = [
        replace(s, image=np.repeat((s.inst_map % 251).astype(np.uint8)[..., None], 3, 2))
        for s in samples
    ]
    bank = PixelBank.from_samples(shown, [1.0] * len(shown), 2)
    image, ids, classes = LayoutTiles(TileWindows(bank, 48, 0.0), 16).batch(0)
    assert torch.equal(image[:, 0], (ids % 251).float())
    assert torch.equal(classes.long(), torch.where(ids > 0, 2 - ids % 2, 0).long())
