"""Probabilities of a teacher for every training pixel, the mean over eight views.

The views are rotated by multiples of 90° and mirrored. The probabilities are computed once, before
training, and are read like labels from then on. A student that learns the mean of eight views in
one pass gives the same answer after a rotation or a flip without their cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from karyoscope.training.data.bank import PixelBank
from karyoscope.training.recipe.reading import load_recipe
from karyoscope.training.recipe.schema import Teacher
from karyoscope.training.weights import load_network

#: Edge of the window that a teacher sees, and the part around it that is not kept, px.
WINDOW, CONTEXT = 512, 64

Probabilities = Callable[[Tensor], Tensor]


def taught(bank: PixelBank, teacher: Teacher) -> PixelBank:
    """Return the bank with the probabilities of a teacher, computed on the bank's device.

    Raises
    ------
    KaryoscopeError
        If the teacher's recipe or weights cannot be read or do not fit together.
    """
    recipe = load_recipe(teacher.recipe)
    device = bank.rgb.device
    network = load_network(recipe, teacher.weights).to(device, memory_format=torch.channels_last)
    mean, std = (
        255 * torch.tensor(v, device=device)[:, None, None] for v in (recipe.mean, recipe.std)
    )

    def teach(rgb: Tensor) -> Tensor:
        image = ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            outputs = network(image)
        outlines = outputs["three_label"].float().softmax(1)[:, 1:]
        types = outputs["types"].float().softmax(1)[:, 1:]
        return torch.cat([outlines, F.interpolate(types, outlines.shape[2:], mode="bilinear")], 1)

    return replace(bank, soft=soft_labels(bank, teach))


@torch.no_grad()
def soft_labels(bank: PixelBank, teach: Probabilities, batch: int = 8) -> Tensor:
    """Probabilities of every pixel of a bank.

    Parameters
    ----------
    bank : PixelBank
    teach : callable
        Images (b, 3, h, w) float32, 0 to 255, to probabilities (b, c, h, w): inside, boundary,
        then each class.
    batch : int
        Windows at a time.

    Returns
    -------
    Tensor of uint8, shape (p, c)
        255 for a probability of 1, on the bank's device.
    """
    found: Tensor | None = None
    for image, x, y in _batches(bank, batch):
        axis = torch.arange(WINDOW, device=bank.rgb.device, dtype=torch.float32) - CONTEXT
        shape = len(image), WINDOW, WINDOW
        at_x = (x[:, None, None] + axis[None, None, :]).expand(shape)
        at_y = (y[:, None, None] + axis[None, :, None]).expand(shape)
        rgb, _, _ = bank.gather(image, at_x, at_y)
        values = (mean_of_views(teach, rgb) * 255).round().to(torch.uint8)
        if found is None:
            found = bank.rgb.new_zeros(len(bank.rgb), values.shape[1])
        kept = slice(CONTEXT, WINDOW - CONTEXT)
        _write(found, bank, image, x, y, values[:, :, kept, kept])
    assert found is not None, "a bank has images"
    return found


def mean_of_views(teach: Probabilities, rgb: Tensor) -> Tensor:
    """Mean of a teacher's probabilities over flips and rotations by 90°, mapped back."""
    total = torch.zeros((), device=rgb.device)
    for turns in range(4):
        for flip in (False, True):
            view = rgb.rot90(turns, (2, 3))
            view = view.flip(3) if flip else view
            values = teach(view)
            values = values.flip(3) if flip else values
            total = total + values.rot90(-turns, (2, 3))
    return total / 8


def _batches(bank: PixelBank, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Images and upper left corners of the kept parts of windows that cover a bank."""
    step = WINDOW - 2 * CONTEXT
    places = [
        (k, x, y)
        for k in range(len(bank))
        for y in range(0, int(bank.heights[k]), step)
        for x in range(0, int(bank.widths[k]), step)
    ]
    device = bank.rgb.device
    for first in range(0, len(places), size):
        # Always as many, so that every batch has the shape that the GPU has been tuned for.
        some = (places[first : first + size] * size)[:size]
        image, x, y = torch.tensor(some, device=device).T
        yield image, x, y


def _write(
    found: Tensor, bank: PixelBank, image: Tensor, x: Tensor, y: Tensor, values: Tensor
) -> None:
    """Put the kept parts of windows where their pixels lie, leaving out what is beyond an image."""
    step = values.shape[-1]
    axis = torch.arange(step, device=values.device)
    row, column = y[:, None, None] + axis[None, :, None], x[:, None, None] + axis[None, None, :]
    start, height, width = (
        t[image][:, None, None] for t in (bank.starts, bank.heights, bank.widths)
    )
    inside = (row < height) & (column < width)
    at = (start + row * width + column)[inside]
    found[at] = values.permute(0, 2, 3, 1)[inside]
