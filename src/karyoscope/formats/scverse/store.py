"""A hierarchy of arrays, as HDF5 and Zarr files have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np


class Store(Protocol):
    """A hierarchy of arrays that grow along their first axis."""

    def group(self, path: str, attributes: Mapping[str, Any]) -> None:
        """Create a group."""

    def array(
        self, path: str, shape: tuple[int, ...], dtype: Any, attributes: Mapping[str, Any]
    ) -> None:
        """Create an array of zero rows, each of ``shape[1:]``, in chunks of ``shape``."""

    def append(self, path: str, rows: np.ndarray | list[str]) -> None:
        """Add rows to an array."""

    def text(self, path: str, value: str, attributes: Mapping[str, Any]) -> None:
        """Create a single text."""

    def whole(self, path: str, values: Any, attributes: Mapping[str, Any]) -> None:
        """Create a number, or an array that does not grow."""
