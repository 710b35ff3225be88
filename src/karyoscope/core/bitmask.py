"""Masks of which eight pixels are a byte."""

from __future__ import annotations

from typing import Any

import numpy as np


class BitMask:
    """A mask that takes an eighth of the memory of an array of bool; windows of it are unpacked.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)

    Attributes
    ----------
    shape : (int, int)

    Examples
    --------
    >>> mask = BitMask(np.eye(3, dtype=bool))
    >>> mask[1:, :2]
    array([[False,  True],
           [False, False]])
    """

    def __init__(self, mask: np.ndarray) -> None:
        self.shape: tuple[int, int] = (mask.shape[0], mask.shape[1])
        self._bits = np.packbits(np.asarray(mask, bool), axis=1)

    @property
    def nbytes(self) -> int:
        """Bytes of memory."""
        return self._bits.nbytes

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        """Window of the mask, as an array of bool.

        Raises
        ------
        ValueError
            If a slice has a step.
        """
        (top, bottom, down), (left, right, across) = (
            part.indices(length) for part, length in zip(window, self.shape, strict=True)
        )
        if (down, across) != (1, 1):
            raise ValueError("windows of a packed mask have no steps")
        bottom, right = max(top, bottom), max(left, right)
        packed = self._bits[top:bottom, left // 8 : -(-right // 8)]
        skipped = left % 8
        return np.unpackbits(packed, axis=1).view(bool)[:, skipped : skipped + right - left]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all of the mask as an array, made on request."""
        if copy is False:
            raise ValueError("a packed mask has no array that is not a copy")
        return self[:, :] if dtype is None else self[:, :].astype(dtype)
