"""Random colour, on batches on the device: stain first, since stain is what differs."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F

from karyoscope.core.staining import RUIFROK

_HED_FROM_STAIN = torch.tensor(RUIFROK)
_GREY = torch.tensor([0.299, 0.587, 0.114])
#: The cross product with (1, 1, 1).
_CROSS = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


class Colour(BaseModel):
    """Ranges of the augmentation of colours.

    Images are float tensors (b, 3, h, w), 0 to 255, before and after.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stain_scale: float = 0.2
    """Each stain's amount is multiplied by up to 1 ± this."""
    stain_shift: float = 0.05
    """Each stain's optical density is shifted by up to ± this."""
    stain_turn: float = 0.05
    """Each component of the stains' colours is changed by up to ± this."""
    brightness: float = 0.15
    contrast: float = 0.15
    saturation: float = 0.2
    hue: float = 0.0
    """Hues are rotated by up to ± this, degrees."""
    blur: float = 1.0
    """Largest standard deviation of the blur, px; half of the tiles are blurred."""
    median: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the tiles that a 3x3 median smooths."""
    noise: float = 4.0
    """Largest standard deviation of the noise, grey levels."""
    one_of: bool = False
    """Each tile gets one of Gaussian blur, median and noise, in equal shares of the tiles, as in
    the program of HoVer-Net's authors, and not each by itself; one whose own key is 0 leaves its
    share as it is."""

    def __call__(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """Vary stain, brightness, contrast, saturation; blur; add noise."""
        image = self._stain(image, rng)
        image = self._tone(image, rng)
        if self.hue:
            image = turned_hue(image, rng, self.hue)
        return self._disturbed(image, rng).clamp(0, 255)

    def _disturbed(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """Blur, smooth and add noise: all by themselves, or one of them to each tile."""
        drawn = None
        if self.one_of:
            drawn = torch.randint(0, 3, (len(image), 1, 1, 1), device=image.device, generator=rng)
        parts = ((self.blur, self._blur), (self.median, self._median), (self.noise, self._noise))
        for number, (amount, change) in enumerate(parts):
            if amount:
                changed = change(image, rng)
                image = changed if drawn is None else torch.where(drawn == number, changed, image)
        return image

    def _noise(self, image: Tensor, rng: torch.Generator) -> Tensor:
        amount = torch.rand(len(image), 1, 1, 1, device=image.device, generator=rng)
        noise = torch.randn(image.shape, device=image.device, generator=rng)
        return image + noise * (amount * self.noise)

    def _stain(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """Beer-Lambert: separate into stains, change their amounts and colours, join again."""
        b, device = len(image), image.device

        def around(spread: float, *shape: int) -> Tensor:
            return spread * (2 * torch.rand(b, *shape, device=device, generator=rng) - 1)

        stains = F.normalize(_HED_FROM_STAIN, dim=1).to(device)
        density = -torch.log((image + 1) / 256)
        turned = F.normalize(stains + around(self.stain_turn, 3, 3), dim=2)
        gain = torch.diag_embed(1 + around(self.stain_scale, 3))
        # density (3) -> stains (3) -> changed amounts -> density, as one matrix per image
        change = torch.linalg.inv(stains) @ gain @ turned
        shift = around(self.stain_shift, 3)[:, None] @ turned
        density = torch.einsum("bchw,bcd->bdhw", density, change) + shift.mT[..., None]
        return (256 * torch.exp(-density) - 1).clamp(0, 255)

    def _tone(self, image: Tensor, rng: torch.Generator) -> Tensor:
        b, device = len(image), image.device

        def factor(spread: float) -> Tensor:
            return 1 + spread * (2 * torch.rand(b, 1, 1, 1, device=device, generator=rng) - 1)

        grey = torch.einsum("bchw,c->bhw", image, _GREY.to(device))[:, None]
        image = torch.lerp(grey, image, factor(self.saturation))
        mean = image.mean((1, 2, 3), keepdim=True)
        image = mean + (image - mean) * factor(self.contrast)
        return image * factor(self.brightness)

    def _blur(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """Separable Gaussian blur with a width of its own for each image."""
        b, _, h, w = image.shape
        sigma = torch.rand(b, device=image.device, generator=rng) * 2 * self.blur - self.blur
        if self.one_of:
            sigma = sigma.abs()
        offsets = torch.arange(-3.0, 4.0, device=image.device)
        kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-2)[:, None]) ** 2)
        kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
        flat = F.pad(image, (3, 3, 3, 3), mode="reflect").view(1, b * 3, h + 6, w + 6)
        flat = F.conv2d(flat, kernel[:, None, None, :], groups=b * 3)
        flat = F.conv2d(flat, kernel[:, None, :, None], groups=b * 3)
        return flat.view(b, 3, h, w)

    def _median(self, image: Tensor, rng: torch.Generator) -> Tensor:
        """Median of each pixel and its eight neighbours, in a share of the images."""
        share = 1.0 if self.one_of else self.median
        drawn = torch.rand(len(image), device=image.device, generator=rng) < share
        around = F.pad(image, (1, 1, 1, 1), mode="reflect").unfold(2, 3, 1).unfold(3, 3, 1)
        smooth = around.flatten(-2).median(-1).values
        return torch.where(drawn[:, None, None, None], smooth, image)


def turned_hue(image: Tensor, rng: torch.Generator, degrees: float) -> Tensor:
    """Rotate the colours of each image about the axis of greys, by up to ± so many degrees.

    Parameters
    ----------
    image : Tensor of float32, shape (b, 3, h, w)
    rng : torch.Generator
    degrees : float
    """
    drawn = 2 * torch.rand(len(image), device=image.device, generator=rng) - 1
    angle = drawn * math.radians(degrees)
    # Rodrigues' formula about (1, 1, 1) / sqrt(3).
    parallel = torch.full((3, 3), 1 / 3, device=image.device)
    across = _CROSS.to(image.device) / math.sqrt(3)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    eye = torch.eye(3, device=image.device)
    turn = cos * eye + (1 - cos) * parallel + sin * across
    return torch.einsum("bij,bjhw->bihw", turn, image)
