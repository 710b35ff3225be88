"""Tiles of the images that a RestainNet learns from; no labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline.stains.restainer import grey_density
from karyoscope.pipeline.stains.sampling import sample_windows
from karyoscope.slides import find_slides, open_slide


@dataclass(frozen=True)
class Target:
    """The images to resemble.

    Attributes
    ----------
    images : list of ndarray of uint8, shape (h, w, 3)
        Small images whole, windows of large slides.
    names : list of str
        Names of the files that the images were read from.
    density : float
        Mean optical density of their tissue in grey.
    """

    images: list[np.ndarray]
    names: list[str]
    density: float


def read_target(inputs: list[str], mpp: float, file_mpp: float | None = None) -> Target:
    """Read the images to resemble.

    Parameters
    ----------
    inputs : list of str
        Files, folders or globs.
    mpp : float
        µm per pixel that the network works at.
    file_mpp : float, optional
        µm per pixel of the files, where they do not state it.

    Raises
    ------
    KaryoscopeError
        If one cannot be read, or none shows stained tissue.
    """
    found, problems = find_slides(inputs)
    if problems or not found:
        raise KaryoscopeError(f"--target: {problems[0] if problems else 'no images'}")
    images = []
    for path in found:
        with open_slide(path, file_mpp) as slide:
            images += list(sample_windows(slide, mpp))
    density = grey_density(np.concatenate([image.reshape(-1, 3) for image in images]))
    if density is None:
        raise KaryoscopeError("--target: the images show no stained tissue")
    return Target(images, [path.name for path in found], density)


class ColourTiles(IterableDataset):
    """Batches without end: (b, 3, tile, tile) float32, 0 to 1, rotated and mirrored at random.

    Batch ``k`` depends on the seed and ``k`` alone, so that a run that was stopped continues with
    the same batches.

    Parameters
    ----------
    images : list of ndarray of uint8, shape (h, w, 3)
        The images; those smaller than a tile are mirrored up to its size.
    tile, batch_size : int
        Edge of a tile in pixels, and tiles of a batch.
    seed : int
        Seed of the random numbers.
    first_step : int
        Number of the first batch.
    """

    def __init__(
        self,
        images: list[np.ndarray],
        tile: int,
        batch_size: int,
        seed: int = 0,
        first_step: int = 0,
    ) -> None:
        super().__init__()
        self._images = [_at_least(image, tile) for image in images]
        self._areas = torch.tensor([float(i.shape[0] * i.shape[1]) for i in self._images])
        self._tile, self._batch_size = tile, batch_size
        self._seed, self.first_step = seed, first_step

    def __iter__(self) -> Iterator[Tensor]:
        step = self.first_step
        while True:
            yield self.batch(step)
            step += 1

    def batch(self, step: int) -> Tensor:
        """Make batch number ``step``."""
        rng = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        chosen = torch.multinomial(self._areas, self._batch_size, True, generator=rng)
        return torch.stack([self._cut(self._images[k], rng) for k in chosen.tolist()])

    def _cut(self, image: np.ndarray, rng: torch.Generator) -> Tensor:
        height, width = image.shape[:2]
        share = torch.rand(2, generator=rng).tolist()
        top = int(share[0] * (height - self._tile + 1))
        left = int(share[1] * (width - self._tile + 1))
        tile = torch.from_numpy(image[top : top + self._tile, left : left + self._tile])
        turns, mirrored = torch.randint(0, 4, (2,), generator=rng).tolist()
        tile = torch.rot90(tile.permute(2, 0, 1).float() / 255, turns, (1, 2))
        return tile.flip(2) if mirrored % 2 else tile


def _at_least(image: np.ndarray, edge: int) -> np.ndarray:
    missing = [(0, max(0, edge - have)) for have in image.shape[:2]]
    return np.pad(image, [*missing, (0, 0)], mode="symmetric")
