"""Probabilities of teachers for every training pixel, each the mean over several views.

The views are rotated by multiples of 90° and mirrored. The probabilities are computed once, before
training, and are read like labels from then on. A student that learns the mean of eight views in
one pass gives the same answer after a rotation or a flip without their cost.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import cannot_write, writing
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.recipe.reading import load_recipe
from karyoscope.training.recipe.schema import Recipe, Teacher
from karyoscope.training.weights import load_network

log = logging.getLogger(__name__)

#: Edge of the window that a teacher sees on a GPU, and the part around it that is not kept, px.
WINDOW, CONTEXT = 512, 64

#: Largest edge of the kept part of a window on a CPU, where windows may differ in size, px.
LARGEST = 1024

#: Edges of windows are multiples of this many px.
MULTIPLE = 32

#: Pixels whose mean is computed at a time.
_ROWS = 1 << 20

#: Name of the probabilities in a file.
_SOFT = "probabilities"

#: What the header of that file calls the pixels and teachers that it belongs to.
_OF = "of"

Probabilities = Callable[[Tensor], Tensor]


def check_teachers(recipe: Recipe) -> None:
    """Check that a recipe's teachers have its classes and scale.

    Raises
    ------
    KaryoscopeError
        If a teacher's recipe cannot be read, or has other classes or micrometres per pixel.
    """
    own = class_names(recipe)
    for teacher in recipe.teacher:
        other = load_recipe(teacher.recipe)
        if class_names(other) != own:
            raise KaryoscopeError(
                f"teacher {teacher.recipe}: its classes are {', '.join(class_names(other))}, and"
                f" those of the recipe {', '.join(own)}"
            )
        if other.mpp != recipe.mpp:
            raise KaryoscopeError(
                f"teacher {teacher.recipe}: it works at {other.mpp:g} µm/px, and the recipe at"
                f" {recipe.mpp:g}"
            )


def class_names(recipe: Recipe) -> list[str]:
    """Names of a recipe's classes, in the order of its network's outputs."""
    return [known.name for known in Taxonomy.load(recipe.taxonomy).classes]


def taught(
    bank: PixelBank, teachers: Sequence[Teacher], kept: Path | None = None, write: bool = True
) -> PixelBank:
    """Return the bank with the mean probabilities of its teachers.

    Parameters
    ----------
    bank : PixelBank
    teachers : sequence of Teacher
        Recipe, weights and number of views of each; they are computed on the bank's device.
    kept : path, optional
        ``.safetensors`` file that keeps the probabilities. It is read if it was written for the
        same pixels and teachers, and written if it does not exist. Where it cannot be written, as
        on a full disk, a warning says so.
    write : bool
        Whether to write it: of processes that train together, one does.

    Raises
    ------
    KaryoscopeError
        If the teacher's recipe or weights cannot be read or do not fit together, or if the folder
        of ``kept`` cannot be made or the file was written for other pixels or teachers.
    """
    of = ""
    if kept is not None:
        of = _fingerprint(bank, teachers)
        # Before minutes are spent on what could not be kept.
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise KaryoscopeError(cannot_write(kept, error)) from error
    if kept is not None and kept.exists():
        soft = _read(kept, of).to(bank.rgb.device)
        log.info("probabilities of the teacher are read from %s", kept)
        return replace(bank, soft=soft)
    soft = mean_of(soft_labels(bank, *_teaching(bank, teacher)) for teacher in teachers)
    if kept is not None and write:
        try:
            with writing(kept) as partial:
                save_file({_SOFT: soft.cpu()}, partial, {_OF: of})
        except (KaryoscopeError, SafetensorError) as error:
            # What took minutes is at hand; the run needs no file.
            log.warning("probabilities of the teacher are not kept in %s: %s", kept, error)
    return replace(bank, soft=soft)


def mean_of(several: Iterator[Tensor]) -> Tensor:
    """Mean of the probabilities of several teachers, of which two are in memory at once.

    Parameters
    ----------
    several : iterator of Tensor of uint8, shape (p, c)
        The probabilities of each teacher; at most 128 teachers.

    Returns
    -------
    Tensor of uint8, shape (p, c)
    """
    first = next(several)
    total, count = first, 1
    for values in several:
        total = total.to(torch.int16).add_(values)
        count += 1
    if count == 1:
        return first
    mean = torch.empty_like(first)
    for part, sums in zip(mean.split(_ROWS), total.split(_ROWS), strict=True):
        part.copy_((sums / count).round_())
    return mean


def _fingerprint(bank: PixelBank, teachers: Sequence[Teacher]) -> str:
    """Hash of the pixels, of the weights of the teachers, and of how they are used."""
    digest = hashlib.sha256()
    for part in (bank.rgb, bank.starts, bank.heights, bank.widths):
        digest.update(part.cpu().contiguous().numpy().data)
    for teacher in teachers:
        recipe = load_recipe(teacher.recipe)
        about = recipe.mean, recipe.std, recipe.training.precision, teacher.views, CONTEXT
        digest.update(repr(about).encode())
        weights = load_network(recipe, teacher.weights).state_dict()
        for name in sorted(weights):
            digest.update(name.encode())
            digest.update(weights[name].cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _read(path: Path, of: str) -> Tensor:
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get(_OF) != of:
                raise KaryoscopeError(
                    f"soft_labels: {path} was written for other pixels or another teacher; remove"
                    " it or name another file"
                )
            return file.get_tensor(_SOFT)
    except (SafetensorError, OSError) as error:
        raise KaryoscopeError(f"soft_labels: {path} holds no probabilities") from error


def _teaching(bank: PixelBank, teacher: Teacher) -> tuple[Probabilities, int]:
    """A teacher as a function of images, and its number of views."""
    recipe = load_recipe(teacher.recipe)
    device = bank.rgb.device
    network = load_network(recipe, teacher.weights).to(device, memory_format=torch.channels_last)
    mean, std = (
        255 * torch.tensor(v, device=device)[:, None, None] for v in (recipe.mean, recipe.std)
    )
    halved = device.type == "cuda" or recipe.training.precision == "bf16"

    def teach(rgb: Tensor) -> Tensor:
        image = ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=halved):
            outputs = network(image)
        outlines = outputs["three_label"].float().softmax(1)[:, 1:]
        types = outputs["types"].float().softmax(1)[:, 1:]
        return torch.cat([outlines, F.interpolate(types, outlines.shape[2:], mode="bilinear")], 1)

    return teach, teacher.views


#: Some windows at a time: the image of each, and x and y of the upper left corner of its kept
#: part, of shape (b,) each; then height and width of all of them, with ``CONTEXT`` px around it.
Windows = Iterator[tuple[Tensor, Tensor, Tensor, int, int]]


@torch.no_grad()
def soft_labels(
    bank: PixelBank, teach: Probabilities, views: int = 8, windows: Windows | None = None
) -> Tensor:
    """Probabilities of every pixel of a bank.

    Parameters
    ----------
    bank : PixelBank
    teach : callable
        Images (b, 3, h, w) float32, 0 to 255, to probabilities (b, c, h, w): inside, boundary,
        then each class.
    views : {8, 4, 1}
        Views of which the mean is taken.
    windows : iterator, optional
        Windows that cover the bank, as :data:`Windows` describes; by default
        :func:`windows_of_one_size` on a GPU, :func:`windows_that_fit` on a CPU.

    Returns
    -------
    Tensor of uint8, shape (p, c)
        255 for a probability of 1, on the bank's device.
    """
    found: Tensor | None = None
    if windows is None:
        on_cpu = bank.rgb.device.type == "cpu"
        windows = windows_that_fit(bank) if on_cpu else windows_of_one_size(bank)
    for image, x, y, height, width in windows:
        across, down = (
            torch.arange(size, device=bank.rgb.device, dtype=torch.float32) - CONTEXT
            for size in (width, height)
        )
        shape = len(image), height, width
        at_x = (x[:, None, None] + across[None, None, :]).expand(shape)
        at_y = (y[:, None, None] + down[None, :, None]).expand(shape)
        rgb, _, _ = bank.gather(image, at_x, at_y)
        values = (mean_of_views(teach, rgb, views) * 255).round().to(torch.uint8)
        if found is None:
            found = bank.rgb.new_zeros(len(bank.rgb), values.shape[1])
        core = values[:, :, CONTEXT : height - CONTEXT, CONTEXT : width - CONTEXT]
        _write(found, bank, image, x, y, core)
    assert found is not None, "a bank has images"
    return found


def mean_of_views(teach: Probabilities, rgb: Tensor, views: int = 8) -> Tensor:
    """Mean of a teacher's probabilities over several views, each rotated and flipped back.

    Parameters
    ----------
    teach : callable
        Images (b, 3, h, w) to probabilities (b, c, h, w).
    rgb : Tensor of float32, shape (b, 3, h, w), 0 to 255
    views : {8, 4, 1}
        The four rotations by multiples of 90°; with 8 their mirror images too; or the image alone.

    Returns
    -------
    Tensor of float32, shape (b, c, h, w)
    """
    total = torch.zeros((), device=rgb.device)
    for turns in range(min(views, 4)):
        for flip in (False, True) if views == 8 else (False,):
            view = rgb.rot90(turns, (2, 3))
            view = view.flip(3) if flip else view
            values = teach(view)
            values = values.flip(3) if flip else values
            total = total + values.rot90(-turns, (2, 3))
    return total / views


def windows_of_one_size(bank: PixelBank, batch: int = 8) -> Windows:
    """Windows of one size that cover a bank, for a GPU, which is tuned for one shape.

    Parameters
    ----------
    bank : PixelBank
    batch : int
        Windows at a time.
    """
    step = WINDOW - 2 * CONTEXT
    places = [
        (k, x, y)
        for k in range(len(bank))
        for y in range(0, int(bank.heights[k]), step)
        for x in range(0, int(bank.widths[k]), step)
    ]
    device = bank.rgb.device
    for first in range(0, len(places), batch):
        # Always as many, so that every batch has the shape that the GPU has been tuned for.
        some = (places[first : first + batch] * batch)[:batch]
        image, x, y = torch.tensor(some, device=device).T
        yield image, x, y, WINDOW, WINDOW


def windows_that_fit(bank: PixelBank) -> Windows:
    """Windows, one at a time, that divide each image evenly, so that little is computed twice."""
    for k in range(len(bank)):
        height, width = int(bank.heights[k]), int(bank.widths[k])
        rows, columns = -(-height // LARGEST), -(-width // LARGEST)
        down, across = -(-height // rows), -(-width // columns)
        for row in range(rows):
            for column in range(columns):
                place = torch.tensor([[k], [column * across], [row * down]])
                yield *place, _window(down), _window(across)


def _window(core: int) -> int:
    """Edge of the window around a kept part, px."""
    return -(-(core + 2 * CONTEXT) // MULTIPLE) * MULTIPLE


def _write(
    found: Tensor, bank: PixelBank, image: Tensor, x: Tensor, y: Tensor, values: Tensor
) -> None:
    """Put the kept parts of windows where their pixels lie, leaving out what is beyond an image."""
    down, across = (torch.arange(n, device=values.device) for n in values.shape[-2:])
    row, column = y[:, None, None] + down[None, :, None], x[:, None, None] + across[None, None, :]
    start, height, width = (
        t[image][:, None, None] for t in (bank.starts, bank.heights, bank.widths)
    )
    inside = (row < height) & (column < width)
    at = (start + row * width + column)[inside]
    found[at] = values.permute(0, 2, 3, 1)[inside]
