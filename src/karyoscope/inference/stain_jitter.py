"""Small changes of staining for test-time augmentation (Rumberger et al. 2022, section II.F)."""

from __future__ import annotations

import numpy as np

from karyoscope.core.staining import RUIFROK, natural_density, unit_rows

_STAINS = unit_rows(RUIFROK)
_SEED = 0
_SPREAD = 0.1


def stain_gains(passes: int) -> np.ndarray:
    """Factors by which each pass changes the amounts of the stains.

    The paper changes "staining intensities by 10%". The second half of the passes mirrors the
    first about 1, so that on average the staining is the slide's own. They are drawn once from a
    fixed seed: every window of every slide sees the same.

    Parameters
    ----------
    passes : int
        Number of passes, which must be even.

    Returns
    -------
    ndarray of float64, shape (passes, 3)
        Factors of haematoxylin, eosin and the rest, from 0.9 to 1.1.
    """
    change = np.random.default_rng(_SEED).uniform(-_SPREAD, _SPREAD, (passes // 2, 3))
    return np.concatenate([1 + change, 1 - change])


def change_stains(image: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Multiply the amounts of the stains of an image (Beer-Lambert).

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
        RGB. Each pixel is changed by itself, so the result does not depend on the crop.
    gain : ndarray, shape (3,)
        Factors of haematoxylin, eosin and the residual stain.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    # Imported late: `karyoscope models` and whoever averages no stains start without OpenCV.
    import cv2

    change = np.linalg.inv(_STAINS) @ np.diag(gain) @ _STAINS
    density = cv2.transform(natural_density(image), change.T.astype(np.float32))
    light = cv2.exp(np.negative(density, out=density)).reshape(image.shape)
    return np.clip(np.rint(256 * light - 1), 0, 255).astype(np.uint8)
