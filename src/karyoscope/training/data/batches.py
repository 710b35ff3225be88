"""Batches without end: tiles drawn, bent, coloured, with the targets that the losses need."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from karyoscope.targets import OF_THE_BATCH, TargetOptions, make_targets
from karyoscope.training.augmentation.colour import Colour
from karyoscope.training.augmentation.geometry import Geometry
from karyoscope.training.augmentation.pasting import Pasting, Tiles
from karyoscope.training.augmentation.views import SecondView, draw_second_views
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.data.donors import RareNuclei
from karyoscope.training.data.sampling import TileIndex, tile_probabilities

Batch = tuple[Tensor, dict[str, Tensor]]


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Seed of all that is random in one step of one process."""
    return seed * 1_000_003 + step + rank * 1_000_000_007


class TileBatches(IterableDataset):
    """Augmented batches, made on the device that holds the pixels.

    Batch ``k`` depends on the seed, the process and ``k`` alone, so that a run that was stopped
    continues with the same batches. Where a loss compares two views of the same tissue, the second
    half of a batch shows the tiles of the first half again: rotated, flipped, moved, and coloured
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
    pasting : Pasting, optional
        Nuclei of rare classes that are pasted into the tiles; none unless given.
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
        pasting: Pasting | None = None,
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
        wanted = pasting is not None and pasting.nuclei > 0
        self.rare = RareNuclei.of(bank, pasting) if pasting is not None and wanted else None

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
        shift = self.geometry.view_shift if self.paired else 0
        views = draw_second_views(tiles, self.size, shift, rng) if self.paired else None
        x, y = self.geometry.positions(x, y, self.size + 2 * shift, rng)
        rgb, ids, classes = self.bank.gather(images, x, y)
        soft = self.bank.soft_labels(images, x, y) if self.soft else {}
        if self.rare is not None:
            self.rare.paste_into(Tiles(rgb, ids, classes, soft), rng)
        given: dict[str, Tensor] = {}
        if views is not None:
            given["same_tissue"] = views.same
            rgb, ids, classes, *values = (
                _both_views(t, views, shift) for t in (rgb, ids, classes, *soft.values())
            )
            soft = dict(zip(soft, values, strict=True))
        about = (classes, self.bank.sets, self.highest)
        targets = make_targets(self.targets, ids, *about, options=self.target_options)
        return self.colour(rgb, rng), targets | given | soft

    @property
    def highest(self) -> int:
        """The largest id that a nucleus of a batch can have."""
        pasted = 0 if self.rare is None else self.rare.settings.nuclei
        return self.bank.highest + pasted


def _both_views(wide: Tensor, views: SecondView, shift: int) -> Tensor:
    """The middle of tiles (n, ..., h, w), and after these their second views: (2 n, ..., s, s)."""
    size = views.source.shape[-1]
    first = wide[..., shift : shift + size, shift : shift + size]
    source = views.source.flatten(1)
    if wide.ndim == 4:
        source = source[:, None].expand(-1, wide.shape[1], -1)
    second = wide.flatten(-2).gather(-1, source).view(*wide.shape[:-2], size, size)
    return torch.cat([first, second])
