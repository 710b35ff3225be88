"""Batches without end: tiles drawn, bent, coloured, with the targets that the losses need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from karyoscope.targets import OF_THE_BATCH, TargetOptions, make_targets
from karyoscope.training.augmentation.colour import Colour
from karyoscope.training.augmentation.geometry import Geometry
from karyoscope.training.augmentation.views import draw_second_views
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.data.sampling import TileIndex, tile_probabilities

Batch = tuple[Tensor, dict[str, Tensor]]


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Seed of all that is random in one step of one process."""
    return seed * 1_000_003 + step + rank * 1_000_000_007


class TileBatches(IterableDataset):
    """Augmented batches, made on the device that holds the pixels.

    Batch ``k`` depends on the seed, the process and ``k`` alone, so that a run that was stopped
    continues with the same batches. Where a loss compares two views of the same tissue, the second
    half of a batch shows the tiles of the first half again: turned, flipped, moved, and coloured
    anew.

    Parameters
    ----------
    bank : PixelBank
        Training images on the device.
    targets : sequence of str
        Names of the targets to make.
    size : int
        Edge of a tile in pixels.
    batch_size : int or callable
        Tiles a batch, or a function from the number of the batch to it.
    geometry, colour : Geometry, Colour
        The augmentation.
    balanced : float
        Share of the tiles drawn by :func:`~.sampling.importance`; the rest are drawn evenly.
    seed : int
        Seed of the random numbers.
    rank : int
        Number of this process, if several train together; each draws its own tiles.
    target_options : mapping, optional
        Settings of targets, by name; see :func:`karyoscope.targets.make_targets`.
    """

    def __init__(
        self,
        bank: PixelBank,
        targets: Sequence[str],
        size: int,
        batch_size: int | Callable[[int], int],
        geometry: Geometry,
        colour: Colour,
        balanced: float = 1.0,
        seed: int = 0,
        rank: int = 0,
        target_options: TargetOptions | None = None,
    ) -> None:
        super().__init__()
        self.bank = bank
        self.targets = [name for name in targets if name not in OF_THE_BATCH]
        self.paired = "same_tissue" in targets
        self.soft = any(name.startswith("soft_") for name in targets)
        self.size = size
        self.batch_size = batch_size
        self.target_options = target_options
        self.geometry = geometry
        self.colour = colour
        self.seed = seed
        self.rank = rank
        self.first_step = 0
        self.tiles = TileIndex.over(bank, size, size // 2)
        self.probabilities = tile_probabilities(bank, self.tiles, balanced)

    def __iter__(self) -> Iterator[Batch]:
        step = self.first_step
        while True:
            yield self.batch(step)
            step += 1

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """Make batch number ``step``: image (b, 3, h, w) float32, 0 to 255, and its targets."""
        device = self.bank.rgb.device
        rng = torch.Generator(device).manual_seed(step_seed(self.seed, step, self.rank))
        asked = self.batch_size
        count = asked if isinstance(asked, int) else asked(step)
        tiles = count // 2 if self.paired else count
        drawn = torch.multinomial(self.probabilities, tiles, True, generator=rng)
        jitter = (torch.rand(2, tiles, device=device, generator=rng) - 0.5) * (self.size / 2)
        x, y = self.tiles.x[drawn] + jitter[0], self.tiles.y[drawn] + jitter[1]
        images = self.tiles.image[drawn]
        given: dict[str, Tensor] = {}
        if self.paired:
            images, x, y, given["same_tissue"] = self._pairs(images, x, y, rng)
        else:
            x, y = self.geometry.positions(x, y, self.size, rng)
        rgb, ids, classes = self.bank.gather(images, x, y)
        if self.soft:
            given |= self.bank.soft_labels(images, x, y)
        about = (classes, self.bank.sets, self.bank.highest)
        targets = make_targets(self.targets, ids, *about, options=self.target_options)
        return self.colour(rgb, rng), targets | given

    def _pairs(
        self, images: Tensor, x: Tensor, y: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Images and positions of both views, and which pixels show the same tissue."""
        n, size, shift = len(images), self.size, self.geometry.view_shift
        views = draw_second_views(n, size, shift, rng)

        def both(wide: Tensor) -> Tensor:
            first = wide[:, shift : shift + size, shift : shift + size]
            second = wide.flatten(1).gather(1, views.source.flatten(1)).view_as(first)
            return torch.cat([first, second])

        x, y = self.geometry.positions(x, y, size + 2 * shift, rng)
        return images.repeat(2), both(x), both(y), views.same
