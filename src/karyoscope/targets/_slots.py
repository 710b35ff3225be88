"""A place for each nucleus of a batch in one flat table."""

from __future__ import annotations

import torch
from torch import Tensor


def slots(ids: Tensor, highest: int | None = None) -> tuple[Tensor, int]:
    """Number the nuclei of a batch; every other pixel gets a number of its own.

    A table with a row for each number is filled in one operation over all pixels, without the
    device being asked where nuclei are; and since pixels of background share no row, none waits
    for another.

    Parameters
    ----------
    ids : Tensor of int, shape (b, h, w)
        Id of the nucleus, 0 or less elsewhere.
    highest : int, optional
        An id that none exceeds; looked for where not given, for which a GPU has to be waited for.

    Returns
    -------
    Tensor of int64, shape (b * h * w,)
        Number at each pixel.
    int
        How many numbers there are.
    """
    stride = int(ids.max()) + 1 if highest is None else highest + 1
    n_images, n_pixels = ids.shape[0], ids.numel()
    image = torch.arange(n_images, device=ids.device)[:, None, None]
    alone = torch.arange(n_pixels, device=ids.device).view_as(ids)
    number = torch.where(ids > 0, n_pixels + image * stride + ids, alone)
    return number.flatten(), n_pixels + n_images * stride
