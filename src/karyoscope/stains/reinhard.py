"""Mean and standard deviation of colours carried over (Reinhard et al. 2001)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.stains.base import Normaliser, Recolour
from karyoscope.stains.tissue import LEAST_PIXELS, tissue_pixels, tissue_share

#: A standard deviation below this, in units of LAB, is none.
_LEAST_SPREAD = 0.1
#: A target whose lightness has a standard deviation below this is a flat area.
_LEAST_SPREAD_OF_TARGET = 1.0


def lab_of(rgb: np.ndarray) -> np.ndarray:
    """CIE LAB of sRGB pixels, D65.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        Pixels in red, green and blue.

    Returns
    -------
    ndarray of float32, shape (h, w, 3)
        L from 0 to 100, a and b about -100 to 100.
    """
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def rgb_of_lab(lab: np.ndarray) -> np.ndarray:
    """Undo :func:`lab_of`; what sRGB cannot show is cut off."""
    rgb = cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.clip(np.rint(255 * rgb), 0, 255).astype(np.uint8)


def lab_statistics(pixels: np.ndarray) -> np.ndarray | None:
    """Mean and standard deviation of tissue in LAB.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, 3)
        Pixels of tissue.

    Returns
    -------
    ndarray of float64, shape (2, 3), or None
        None where there is too little tissue.
    """
    tissue = tissue_pixels(pixels)
    if len(tissue) < LEAST_PIXELS:
        return None
    lab = lab_of(tissue[:, None])[:, 0].astype(np.float64)
    return np.stack([lab.mean(0), lab.std(0)])


class Reinhard(Normaliser):
    r"""Each channel of LAB gets the target's mean and standard deviation.

    .. math:: x' = \frac{\sigma_t}{\sigma_s} (x - \mu_s) + \mu_t

    as in eq. 10 and 11 of the paper. The statistics are those of tissue, and the change fades out
    from the faintest tissue to white: glass would take a tint otherwise. The channels are those of
    CIE LAB, as is usual in histology; the paper's are those of Ruderman's logarithmic space.

    Parameters
    ----------
    target : ndarray of uint8, shape (n, 3)
        Pixels whose statistics the slide is given.

    Raises
    ------
    KaryoscopeError
        If the target shows no tissue, or tissue of one colour.
    """

    name = "reinhard"
    targeted = True

    def __init__(self, target: np.ndarray) -> None:
        found = lab_statistics(target)
        if found is None:
            raise KaryoscopeError("the target image shows no stained tissue")
        if found[1, 0] < _LEAST_SPREAD_OF_TARGET:
            raise KaryoscopeError(
                "the target image has only one colour, which every slide would be changed to;"
                " use one with nuclei"
            )
        self._target = found

    @classmethod
    def of_statistics(cls, mean: Sequence[float], spread: Sequence[float]) -> Reinhard:
        """Make one of the target's mean and standard deviation, as :meth:`describe` gives them.

        Parameters
        ----------
        mean, spread : sequence of 3 floats
            Mean and standard deviation of L, a and b.
        """
        made = cls.__new__(cls)
        made._target = np.array([mean, spread], float)
        return made

    def fit(self, pixels: np.ndarray) -> LinearInLab:
        """Measure a slide; see :meth:`Normaliser.fit`."""
        found = lab_statistics(pixels)
        source = self._target if found is None else found
        spread = np.where(source[1] > _LEAST_SPREAD, source[1], self._target[1])
        gain = np.where(spread > 0, self._target[1] / np.maximum(spread, 1e-9), 1.0)
        return LinearInLab(gain, self._target[0] - gain * source[0])

    def describe(self) -> dict[str, Any]:
        """Statistics of the target."""
        mean, spread = self._target.round(4).tolist()
        return {"mean": mean, "spread": spread}


class LinearInLab(Recolour):
    """Each channel of LAB times a gain, plus a shift; less where a pixel is paler than tissue.

    Parameters
    ----------
    gain, shift : ndarray of float, shape (3,)
    """

    def __init__(self, gain: np.ndarray, shift: np.ndarray) -> None:
        self.gain, self.shift = gain.astype(np.float32), shift.astype(np.float32)

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Change an image; see :meth:`Recolour.__call__`."""
        lab = lab_of(rgb)
        change = lab * (self.gain - 1) + self.shift
        return rgb_of_lab(lab + tissue_share(rgb)[..., None] * change)
