"""Real tiles with their layouts, as a mask-to-image network sees them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import IterableDataset

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.data.bank import PixelBank
from karyoscope.training.data.sampling import TileIndex, tile_probabilities

#: Image (b, 3, h, w) float32 from 0 to 255, ids (b, h, w), classes (b, h, w).
Tiles = tuple[Tensor, Tensor, Tensor]


def make_layout(ids: Tensor, classes: Tensor, n_classes: int) -> Tensor:
    """Return the layout of the nuclei, which is the input of the generator.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        0 or less is background.
    classes : Tensor of int, shape (b, h, w)
        1 to ``n_classes``; 0 at a nucleus means that its class is not labelled.

    Returns
    -------
    Tensor of float32, shape (b, n_classes + 2, h, w)
        One channel a class; one for any nucleus; one for edges, the pixels of a nucleus beside a
        pixel of another id.
    """
    inside = ids > 0
    known = torch.where(inside, classes.long(), 0)
    by_class = F.one_hot(known, n_classes + 1)[..., 1:].permute(0, 3, 1, 2)
    edges = torch.zeros_like(inside)
    down, right = ids[:, 1:] != ids[:, :-1], ids[:, :, 1:] != ids[:, :, :-1]
    edges[:, 1:] |= down
    edges[:, :-1] |= down
    edges[:, :, 1:] |= right
    edges[:, :, :-1] |= right
    return torch.cat([by_class, inside[:, None], (edges & inside)[:, None]], 1).float()


def style_of(image: Tensor) -> Tensor:
    """Mean and standard deviation of each channel of (b, 3, h, w) images: (b, 6)."""
    flat = image.flatten(2)
    return torch.cat([flat.mean(2), flat.std(2)], 1)


def to_signed(image: Tensor) -> Tensor:
    """Grey levels, 0 to 255, as -1 to 1."""
    return image / 127.5 - 1


class TileWindows:
    """Windows of one size that lie wholly inside the images of a bank.

    Parameters
    ----------
    bank : PixelBank
        No image may be smaller than a window.
    size : int
        Edge in pixels.
    balanced : float
        Share of the windows that are drawn because they hold rare classes.
    """

    def __init__(self, bank: PixelBank, size: int, balanced: float) -> None:
        smallest = int(torch.minimum(bank.heights, bank.widths).min())
        if smallest < size:
            raise KaryoscopeError(f"tiles of {size} px do not fit into images of {smallest} px")
        self.bank = bank
        self.size = size
        self.tiles = TileIndex.over(bank, size, size // 2)
        self.probabilities = tile_probabilities(bank, self.tiles, balanced)

    def draw(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw windows: image, and row and column of the top left pixel, int64 (count,) each."""
        drawn = torch.multinomial(self.probabilities, count, True, generator=rng)
        images, half = self.tiles.image[drawn], self.size // 2
        bank = self.bank

        def corner(centre: Tensor, length: Tensor) -> Tensor:
            away = torch.randint(-half // 2, half // 2 + 1, (count,), device=rng.device,
                                 generator=rng)  # fmt: skip
            start = centre[drawn].long() - half + away
            return torch.minimum(start.clamp(min=0), length[images] - self.size)

        return images, corner(self.tiles.y, bank.heights), corner(self.tiles.x, bank.widths)

    def read(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tiles:
        """Pixels and labels of windows, without resampling."""
        bank = self.bank
        step = torch.arange(self.size, device=rows.device)
        row = (rows[:, None] + step) * bank.widths[images][:, None] + bank.starts[images][:, None]
        index = row[:, :, None] + (columns[:, None] + step)[:, None, :]
        return bank.rgb[index].permute(0, 3, 1, 2).float(), bank.ids[index], bank.classes[index]


class LayoutTiles(IterableDataset):
    """Batches of real tiles without end, each flipped and rotated by multiples of 90°.

    Nothing is resampled, so that the discriminator never sees a real image blurred. Batch ``k``
    depends on the seed and on ``k`` alone.
    """

    def __init__(self, windows: TileWindows, batch_size: int, seed: int = 0) -> None:
        super().__init__()
        self.windows = windows
        self.batch_size = batch_size
        self.seed = seed
        self.first_step = 0

    def __iter__(self) -> Iterator[Tiles]:
        step = self.first_step
        while True:
            yield self.batch(step)
            step += 1

    def batch(self, step: int) -> Tiles:
        """Make batch number ``step``."""
        device = self.windows.bank.rgb.device
        rng = torch.Generator(device).manual_seed(self.seed * 1_000_003 + step)
        image, ids, classes = self.windows.read(*self.windows.draw(self.batch_size, rng))
        turns = torch.randint(0, 8, (self.batch_size,), device=device, generator=rng).tolist()
        image, ids, classes = (
            torch.stack([_turned(t, k) for t, k in zip(maps, turns, strict=True)])
            for maps in (image, ids, classes)
        )
        return image, ids, classes


def _turned(tile: Tensor, which: int) -> Tensor:
    """One of the eight ways to lay down a square."""
    tile = tile.flip(-1) if which >= 4 else tile
    return torch.rot90(tile, which % 4, (-2, -1))
