"""How far synthetic tiles are from real ones, by the features of an ImageNet encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import open_dataset
from karyoscope.metrics.frechet import fit_gaussian, frechet_distance
from karyoscope.training.recipe.schema import DataSource
from karyoscope.training.synthesis.data import TileSource, load_part
from karyoscope.training.synthesis.encoder_features import EncoderFeatures
from karyoscope.training.synthesis.layouts import TileWindows, to_signed

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
        The encoder whose features are compared; values on the features of another encoder cannot
        be compared with these.
    synthetic : float
        Distance of the synthetic tiles from the real ones: the result.
    real : float
        Distance of other real tiles of the same images: the least that can be expected.
    blurred, noisy : float
        Distances of the other real tiles when they are blurred (Gaussian of 2 px) or given noise
        (of 32 grey levels).
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
    weights : bool, str or path
        ``True``: those that ``karyoscope weights fetch`` gets for this model. A name of
        ``karyoscope weights list``, or a ``.safetensors`` file with timm's parameter names.

    Raises
    ------
    KaryoscopeError
        If the weights are not there.
    """

    def __init__(self, name: str, weights: bool | str | Path = True) -> None:
        self.name = name
        self._encoder = EncoderFeatures(name, weights)

    @torch.no_grad()
    def __call__(self, tiles: Iterable[np.ndarray]) -> np.ndarray:
        """Features (n, d) of tiles (h, w, 3) uint8 of one size."""
        return np.stack([self._one(torch.tensor(tile)) for tile in tiles])

    def _one(self, tile: Tensor) -> np.ndarray:
        image = to_signed(tile.permute(2, 0, 1).float())
        return self._encoder(image[None])[-1].mean((2, 3))[0].numpy()


def real_tiles(
    source: TileSource, most: int, size: int, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two sets of as many real tiles, none of which overlaps another.

    Parameters
    ----------
    source : TileSource
    most : int
        Tiles of each set, or half of the available tiles if that is fewer.
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
    """Fréchet distance of synthetic tiles to real ones, with reference distances for comparison.

    Parameters
    ----------
    synthetic, real, other_real : list of ndarray of uint8, shape (h, w, 3)
        The tiles to compare, as many of each.
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


def dataset_distance(
    synthetic: str | Path,
    real: DataSource,
    features: TileFeatures,
    split: tuple[Path, str] | None = None,
    seed: int = 0,
) -> TileDistance:
    """Compare a synthetic dataset with real images.

    Parameters
    ----------
    synthetic : path
        Dataset that :func:`~karyoscope.training.synthesis.write_pairs` wrote.
    real : DataSource
        Annotated real images.
    features : TileFeatures
        Network whose features are compared.
    split : (path, str), optional
        Split file and part of ``real``.
    seed : int
        Decides which real tiles are compared with.

    Raises
    ------
    KaryoscopeError
        If the synthetic images are not two or more square tiles of one size, or the real images
        cannot be used.
    """
    painted = open_dataset(synthetic).whole()
    images = [sample.image for sample in painted]
    sizes = {image.shape[:2] for image in images}
    if len(images) < 2 or len({edge for size in sizes for edge in size}) != 1:
        raise KaryoscopeError(f"{synthetic}: not two or more square tiles of one size")
    size = images[0].shape[0]
    source = load_part(real, split, painted.taxonomy, painted.mpp, size)
    expected, other = real_tiles(source, len(images), size, seed)
    return tile_distance(images[: len(expected)], expected, other, features)
