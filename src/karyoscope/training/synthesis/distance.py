"""How far synthetic tiles are from real ones, as an ImageNet encoder sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from karyoscope.core.errors import KaryoscopeError
from karyoscope.metrics.frechet import fit_gaussian, frechet_distance
from karyoscope.training.synthesis.data import TileSource
from karyoscope.training.synthesis.layouts import TileWindows, to_signed
from karyoscope.training.synthesis.seen import SeenByEncoder

#: Of the blur (px) and the noise (grey levels) whose distances show what a value means.
BLUR = 2.0
NOISE = 32.0

Paint = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TileDistance:
    """Fréchet distances to one set of real tiles; every set has ``tiles`` tiles of ``size`` px.

    Attributes
    ----------
    features : str
        The encoder whose features are compared; on other features the values are others.
    synthetic : float
        What is asked for.
    real : float
        Floor: other real tiles of the same images.
    blurred, noisy : float
        Those other tiles, blurred (Gaussian of 2 px) or with noise (32 grey levels).
    """

    features: str
    tiles: int
    size: int
    synthetic: float
    real: float
    blurred: float
    noisy: float

    def to_dict(self) -> dict[str, str | float]:
        """Plain data."""
        return asdict(self)


class TileFeatures:
    """Features of tiles: the last maps of an encoder, averaged over the tile.

    Parameters
    ----------
    name : str
        A timm model.
    weights : path
        ``.safetensors`` file with timm's parameter names.
    """

    def __init__(self, name: str, weights: str | Path) -> None:
        self.name = name
        self._seen = SeenByEncoder(name, weights)

    @torch.no_grad()
    def __call__(self, tiles: Iterable[np.ndarray]) -> np.ndarray:
        """Features (n, d) of tiles (h, w, 3) uint8 of one size."""
        return np.stack([self._one(torch.from_numpy(tile)) for tile in tiles])

    def _one(self, tile: Tensor) -> np.ndarray:
        image = to_signed(tile.permute(2, 0, 1).float())
        return self._seen(image[None])[-1].mean((2, 3))[0].numpy()


def real_tiles(
    source: TileSource, most: int, size: int, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two sets of as many real tiles, none of which overlaps another.

    Parameters
    ----------
    source : TileSource
    most : int
        Tiles of each set, or half of what there is if that is fewer.
    size : int
        Edge in pixels.
    seed : int
        Decides which tiles are in which set.
    """
    bank = source.bank
    windows = TileWindows(bank, size, 0.0)
    corners = [
        (image, row, column)
        for image in range(len(bank))
        for row in range(0, int(bank.heights[image]) - size + 1, size)
        for column in range(0, int(bank.widths[image]) - size + 1, size)
    ]
    count = min(most, len(corners) // 2)
    order = np.random.default_rng(seed).permutation(len(corners))[: 2 * count]
    tiles = [
        windows.read(*torch.tensor(corners[i])[:, None])[0][0]
        .to(torch.uint8)
        .permute(1, 2, 0)
        .contiguous()
        .numpy()
        for i in order
    ]
    return tiles[:count], tiles[count:]


def tile_distance(
    synthetic: list[np.ndarray],
    real: list[np.ndarray],
    other_real: list[np.ndarray],
    features: TileFeatures,
) -> TileDistance:
    """Compare tiles with real ones, and real ones and spoiled ones with them for scale.

    Parameters
    ----------
    synthetic, real, other_real : list of ndarray of uint8, shape (h, w, 3)
        As many of each.
    """
    if not len(synthetic) == len(real) == len(other_real) or len(real) < 2:
        raise KaryoscopeError("compare sets of the same number of tiles, two at least")
    rng = np.random.default_rng(0)

    def noisy(tile: np.ndarray) -> np.ndarray:
        return (tile + rng.normal(0, NOISE, tile.shape)).clip(0, 255).astype(np.uint8)

    def blurred(tile: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(tile, (0, 0), BLUR))

    reference = fit_gaussian(features(real))

    def distance(tiles: Iterable[np.ndarray]) -> float:
        return frechet_distance(fit_gaussian(features(tiles)), reference)

    return TileDistance(
        features.name,
        len(real),
        real[0].shape[0],
        distance(synthetic),
        distance(other_real),
        distance(map(blurred, other_real)),
        distance(map(noisy, other_real)),
    )
