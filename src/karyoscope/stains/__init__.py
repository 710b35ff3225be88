"""Colour of H&E: deconvolution and normalisers.

Each normaliser is one class in a file of its own, registered in :data:`NORMALISERS`.
"""

from __future__ import annotations

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.registry import Registry
from karyoscope.stains.base import Normaliser, Recolour
from karyoscope.stains.clahe import Clahe
from karyoscope.stains.deconvolution import HED, combine, separate
from karyoscope.stains.macenko import Macenko, estimate_stains
from karyoscope.stains.reinhard import Reinhard, lab_of, lab_statistics
from karyoscope.stains.tissue import tissue_pixels

__all__ = [
    "HED",
    "NORMALISERS",
    "Normaliser",
    "Recolour",
    "Reinhard",
    "build_normaliser",
    "combine",
    "estimate_stains",
    "lab_of",
    "lab_statistics",
    "separate",
    "tissue_pixels",
]

NORMALISERS: Registry[type[Normaliser]] = Registry(
    "stain normaliser",
    {
        "macenko": Macenko,
        "reinhard": Reinhard,
        "clahe": Clahe,
    },
    group="karyoscope.stains",
    kind=Normaliser,
)


def build_normaliser(name: str, target: np.ndarray | None = None) -> Normaliser:
    """Build a registered normaliser.

    Parameters
    ----------
    name : str
        One of :data:`NORMALISERS`.
    target : ndarray of uint8, shape (..., 3), optional
        Pixels to resemble, for those that need them.

    Raises
    ------
    KaryoscopeError
        If there is none of that name, a target is missing or not wanted, or the target shows no
        stained tissue.

    Examples
    --------
    >>> build_normaliser("clahe").describe()
    {'cell': 32, 'limit': 4.0}
    """
    kind = NORMALISERS.find(name)
    if kind.targeted and target is None:
        raise KaryoscopeError(f"{name} needs a target image: {name}:IMAGE")
    if not kind.targeted and target is not None:
        raise KaryoscopeError(f"{name} takes no target image")
    return kind(target.reshape(-1, 3)) if target is not None else kind()  # type: ignore[call-arg]
