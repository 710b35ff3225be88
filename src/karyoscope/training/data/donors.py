"""Nuclei of rare classes among the training images, to be pasted into tiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.augmentation.geometry import Geometry
from karyoscope.training.augmentation.pasting import Pasting, Patches, Tiles, paste
from karyoscope.training.data.bank import PixelBank

_SYMMETRIES = Geometry(rotate=True, scale=0.0, elastic=0.0)


@dataclass
class RareNuclei:
    """The nuclei of a bank that have one certain class, and how often each is drawn.

    Attributes
    ----------
    bank : PixelBank
    image, ids : Tensor of int64, shape (n,)
        Image of each nucleus, and its id there.
    x, y : Tensor of float32, shape (n,)
        Its centroid in pixels of its image.
    classes : Tensor of uint8, shape (n,)
    probabilities : Tensor of float32, shape (n,)
        Sum to one. A class is drawn with a probability proportional to one by the number of its
        nuclei, and its nuclei alike.
    settings : Pasting
    """

    bank: PixelBank
    image: Tensor
    ids: Tensor
    x: Tensor
    y: Tensor
    classes: Tensor
    probabilities: Tensor
    settings: Pasting

    @classmethod
    def of(cls, bank: PixelBank, settings: Pasting) -> RareNuclei:
        """Find the nuclei that fit into a patch and are not cut by an edge.

        Nuclei at the edge of their image, or beside pixels that are not labelled, may be parts.

        Parameters
        ----------
        bank : PixelBank
        settings : Pasting

        Raises
        ------
        KaryoscopeError
            If there is none.
        """
        found = [_nuclei(bank, k, settings.size) for k in range(len(bank)) if bank.weights[k] > 0]
        table = np.concatenate(found) if found else np.zeros((0, 5))
        if not len(table):
            raise KaryoscopeError(
                "training.paste: no training image has nuclei of a certain class that fit into "
                f"{settings.size} px"
            )
        image, ids, x, y, classes = torch.from_numpy(table.T).to(bank.rgb.device)
        classes = classes.to(torch.uint8)
        counts = torch.bincount(classes.long()).double()
        rarity = (1 / counts[classes.long()] ** 2).float()
        return cls(
            bank,
            image.long(),
            ids.long(),
            x.float(),
            y.float(),
            classes,
            rarity / rarity.sum(),
            settings,
        )

    def paste_into(self, tiles: Tiles, rng: torch.Generator) -> Tensor:
        """Paste ``settings.nuclei`` nuclei into each tile, in place.

        Parameters
        ----------
        tiles : Tiles
        rng : torch.Generator
            Random numbers, on the device of the tiles.

        Returns
        -------
        Tensor of int64, shape (b,)
            Nuclei that were pasted into each tile.
        """
        count = torch.zeros(len(tiles.ids), dtype=torch.int64, device=tiles.ids.device)
        for k in range(self.settings.nuclei):
            patches = self._draw(len(tiles.ids), rng)
            count += paste(tiles, patches, self.bank.highest + 1 + k, self.settings, rng)
        return count

    def _draw(self, n: int, rng: torch.Generator) -> Patches:
        drawn = torch.multinomial(self.probabilities, n, True, generator=rng)
        x, y = _SYMMETRIES.positions(self.x[drawn], self.y[drawn], self.settings.size, rng)
        rgb, ids, _ = self.bank.gather(self.image[drawn], x, y)
        mask = ids == self.ids[drawn][:, None, None]
        return Patches(rgb, mask, ids == 0, self.classes[drawn])


def _nuclei(bank: PixelBank, k: int, size: int) -> np.ndarray:
    """Image, id, x, y and class of the nuclei of image ``k`` that can be pasted, shape (n, 5)."""
    start, h, w = int(bank.starts[k]), int(bank.heights[k]), int(bank.widths[k])
    of_image = bank.ids[start : start + h * w].cpu().numpy()
    at = np.flatnonzero(of_image > 0)
    if not len(at):
        return np.zeros((0, 5))
    ids = of_image[at]
    area = np.bincount(ids)
    x, y = at % w, at // w
    with np.errstate(invalid="ignore", divide="ignore"):
        centre_x, centre_y = (np.bincount(ids, weights=v) / area for v in (x, y))
    reach = np.zeros(len(area))
    np.maximum.at(reach, ids, np.hypot(x - centre_x[ids], y - centre_y[ids]))
    classes = np.zeros(len(area), np.uint8)
    classes[ids] = bank.classes[start : start + h * w].cpu().numpy()[at]
    edge = np.zeros(len(area), bool)
    edge[ids[(x == 0) | (y == 0) | (x == w - 1) | (y == h - 1)]] = True
    for step in (-w, -1, 1, w):
        beside = np.clip(at + step, 0, h * w - 1)
        edge[ids[of_image[beside] == -1]] = True
    # The edge of the patch keeps a pixel for rounding and six for the surroundings.
    fits = (area > 0) & ~edge & (reach < size / 2 - 7)
    certain = (classes > 0) & (classes <= bank.n_classes)
    kept = np.flatnonzero(fits & certain)
    # Positions of :meth:`Geometry.positions` have pixel centres at halves.
    columns = (kept, centre_x[kept] + 0.5, centre_y[kept] + 0.5, classes[kept])
    return np.stack([np.full(len(kept), float(k)), *columns], 1)
