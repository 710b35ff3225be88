"""What every normaliser of colour offers: measured once on a slide, then applied by windows.

Measuring and applying are two steps so that a result never depends on how a slide is cut: what is
measured belongs to the slide, and what is applied looks at a known number of pixels around each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np


class Recolour(ABC):
    """Normalisation of colours that was fitted to one slide.

    Attributes
    ----------
    context : int
        A pixel of the result depends on the pixels within this distance; 0 for its own alone.
    align : int
        Windows begin and end at multiples of this, counted from the slide's origin, unless they
        end where the slide does.
    """

    context: int = 0
    align: int = 1

    @abstractmethod
    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Change an image.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (h, w, 3)

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)
            A new array.
        """


class Normaliser(ABC):
    """Method of stain normalisation.

    Attributes
    ----------
    name : str
        Name on the command line.
    targeted : bool
        Whether it is made of pixels to resemble.
    measured : bool
        Whether anything is measured on a slide; if not, :meth:`fit` needs no pixels.
    """

    name: ClassVar[str]
    targeted: ClassVar[bool]
    measured: ClassVar[bool] = True

    @abstractmethod
    def fit(self, pixels: np.ndarray) -> Recolour:
        """Fit the normalisation to a slide.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (n, 3)
            RGB of any part of the slide that represents it; blank glass among them is left out.
            Too few pixels of tissue, or stains that cannot be distinguished, give a change that
            leaves colours as they are.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Parameters as plain data, which determine the normalisation completely."""
