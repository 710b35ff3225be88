"""Random geometry, as positions to read from: one resampling for all of it."""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor
from torch.nn import functional as F


class Geometry(BaseModel):
    """Ranges of rotation, scaling and elastic deformation of tiles.

    Flips and rotations by 90° always happen: tissue has no up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rotate: bool = True
    """Rotate by any angle, not only by multiples of 90°."""
    scale: float = 0.15
    """Zoom by a factor from 1/(1 + scale) to 1 + scale."""
    shear: float = 0.0
    """Largest shear, as a ratio."""
    elastic: float = 2.0
    """Standard deviation of the elastic displacement, px."""
    elastic_spacing: int = 32
    """Distance of the nodes of the elastic field, px."""
    view_shift: int = 3
    """Largest shift between two views of a tile, px, where a loss compares two views."""

    def positions(
        self, x: Tensor, y: Tensor, size: int, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Positions to read, for tiles around centres.

        Parameters
        ----------
        x, y : Tensor of float32, shape (b,)
            Centres in pixels of the image.
        size : int
            Edge of the tile.
        rng : torch.Generator
            Source of the random numbers.

        Returns
        -------
        x, y : Tensor of float32, shape (b, size, size)
        """
        device, b = x.device, len(x)

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(b, device=device, generator=rng)

        quarter = torch.randint(0, 4, (b,), device=device, generator=rng) * (math.pi / 2)
        angle = quarter + (uniform(-math.pi / 4, math.pi / 4) if self.rotate else 0.0)
        zoom = torch.exp(uniform(-1, 1) * math.log1p(self.scale))
        flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
        shear = uniform(-self.shear, self.shear)

        axis = torch.arange(size, device=device, dtype=torch.float32) - (size - 1) / 2
        v, u = torch.meshgrid(axis, axis, indexing="ij")
        u, v = u[None] * flip[:, None, None], v[None]
        u = u + shear[:, None, None] * v
        cos, sin = ((f(angle) / zoom)[:, None, None] for f in (torch.cos, torch.sin))
        px, py = cos * u - sin * v, sin * u + cos * v
        if self.elastic:
            px, py = (
                p + bend for p, bend in zip((px, py), self._bend(b, size, rng, device), strict=True)
            )
        return px + x[:, None, None] - 0.5, py + y[:, None, None] - 0.5

    def _bend(self, b: int, size: int, rng: torch.Generator, device: torch.device) -> Tensor:
        nodes = size // self.elastic_spacing + 3
        field = torch.randn(b, 2, nodes, nodes, device=device, generator=rng) * self.elastic
        edge = self.elastic_spacing * nodes
        bent = F.interpolate(field, (edge, edge), mode="bicubic", align_corners=False)
        return bent[..., :size, :size].transpose(0, 1)
