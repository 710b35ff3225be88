"""Nuclei of rare classes, pasted into tiles at places where no nucleus is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F


class Pasting(BaseModel):
    """How nuclei of rare classes are pasted into training tiles.

    A nucleus is taken from another place of the training images, rotated, flipped, and pasted where
    the tile has labelled background of nearly the same colour as around the nucleus. It is left
    out where none of the places that were tried is suitable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    nuclei: int = Field(0, ge=0)
    """Nuclei that are tried in each tile; 0 for no pasting."""
    size: int = Field(48, ge=24)
    """Edge of the patch around a nucleus, px. Nuclei that do not fit are not pasted."""
    places: int = Field(16, gt=0)
    """Places in the tile that are compared; the most similar in colour is used."""
    difference: float = Field(60.0, gt=0)
    """Largest difference in colour between the two surroundings: root of the sum of the squared
    differences of the channels, from 0 to 255 each."""


@dataclass
class Tiles:
    """Pixels and labels of a batch of tiles, which :func:`paste` changes in place.

    Attributes
    ----------
    rgb : Tensor of float32, shape (b, 3, h, w), 0 to 255
    ids : Tensor of int32, shape (b, h, w)
        0 for background, -1 where nothing is labelled.
    classes : Tensor of uint8, shape (b, h, w)
    soft : dict of Tensor, shape (b, c, h, w)
        Probabilities of a teacher, set to 0 where a nucleus is pasted, which the teacher did not
        see.
    """

    rgb: Tensor
    ids: Tensor
    classes: Tensor
    soft: dict[str, Tensor]


@dataclass
class Patches:
    """One nucleus in the middle of each patch.

    Attributes
    ----------
    rgb : Tensor of float32, shape (b, 3, s, s), 0 to 255
    mask : Tensor of bool, shape (b, s, s)
        The nucleus.
    background : Tensor of bool, shape (b, s, s)
        Labelled background.
    classes : Tensor of uint8, shape (b,)
        The class of each nucleus.
    """

    rgb: Tensor
    mask: Tensor
    background: Tensor
    classes: Tensor


def paste(
    tiles: Tiles, patches: Patches, number: int, settings: Pasting, rng: torch.Generator
) -> Tensor:
    """Paste one nucleus into each tile, in place.

    Parameters
    ----------
    tiles : Tiles
    patches : Patches
        One for each tile.
    number : int
        Id of the new nucleus, which no other nucleus of the tile has.
    settings : Pasting
    rng : torch.Generator
        Random numbers, on the device of the tiles.

    Returns
    -------
    Tensor of bool, shape (b,)
        Whether a nucleus was pasted.
    """
    covered = _dilate(patches.mask, 2)
    ring = _dilate(patches.mask, 6) & ~covered
    source_ring = ring & patches.background
    rows, columns = _places(tiles.ids.shape, patches.mask.shape[-1], settings.places, rng)
    there = torch.arange(len(rows), device=rows.device)[:, None, None, None]

    ids = tiles.ids[there, rows, columns]
    free = ~((ids != 0) & covered[:, None]).flatten(2).any(2)
    pixels = tiles.rgb.permute(0, 2, 3, 1)
    colours = _mean(pixels[there, rows, columns], ring[:, None] & (ids == 0))
    wanted = _mean(patches.rgb.permute(0, 2, 3, 1), source_ring)
    difference = (colours - wanted[:, None]).square().sum(2).sqrt()
    # A ring without background has no colour: NaN, which no comparison accepts.
    suitable = free & (difference <= settings.difference)
    best = torch.where(suitable, difference, torch.inf).argmin(1)
    one = torch.arange(len(best), device=best.device)
    use = suitable[one, best]

    at = (there[:, 0], rows[one, best], columns[one, best])
    shift = torch.where(use[:, None], colours[one, best] - wanted, 0.0)
    new = (patches.rgb.permute(0, 2, 3, 1) + shift[:, None, None]).clamp(0, 255)
    alpha = (_soft_edge(patches.mask) * use[:, None, None])[..., None]
    pixels[at] = torch.lerp(pixels[at], new, alpha)
    inside = patches.mask & use[:, None, None]
    tiles.ids[at] = torch.where(inside, number, tiles.ids[at])
    tiles.classes[at] = torch.where(inside, patches.classes[:, None, None], tiles.classes[at])
    for values in tiles.soft.values():
        last = values.permute(0, 2, 3, 1)
        last[at] = last[at].masked_fill((covered & use[:, None, None])[..., None], 0)
    return use


def _places(
    shape: torch.Size, size: int, places: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Rows (b, places, size, 1) and columns (b, places, 1, size) of windows at random places."""
    b, h, w = shape
    device = rng.device
    axis = torch.arange(size, device=device)
    top = torch.randint(0, h - size + 1, (b, places), device=device, generator=rng)
    left = torch.randint(0, w - size + 1, (b, places), device=device, generator=rng)
    return (top[..., None] + axis)[..., None], (left[..., None] + axis)[..., None, :]


def _mean(pixels: Tensor, mask: Tensor) -> Tensor:
    """Mean colour (..., 3) of the pixels (..., s, s, 3) of a mask; NaN where it is empty."""
    weight = mask[..., None].float()
    return (pixels * weight).sum((-3, -2)) / weight.sum((-3, -2))


def _dilate(mask: Tensor, radius: int) -> Tensor:
    """Grow masks (b, s, s) by a square of ``2 * radius + 1`` pixels."""
    return F.max_pool2d(mask[:, None].float(), 2 * radius + 1, 1, radius)[:, 0] > 0


def _soft_edge(mask: Tensor) -> Tensor:
    """Weights of the pasted pixels: 1 in the nucleus, falling to 0 within two pixels of it."""
    grown = _dilate(mask, 1)[:, None].float()
    blurred = F.avg_pool2d(grown, 3, 1, 1, count_include_pad=False)[:, 0]
    return torch.where(mask, 1.0, blurred)
