"""Small changes of staining for test-time augmentation (Rumberger et al. 2022, section II.F)."""

from __future__ import annotations

import cv2
import numpy as np

#: Optical density of haematoxylin, eosin and DAB: rows of Ruifrok & Johnston (2001), to length 1.
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_STAINS /= np.linalg.norm(_STAINS, axis=1, keepdims=True)
#: Density of each grey level; white has none, and black stays finite.
_DENSITY = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)
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
        Even.

    Returns
    -------
    ndarray of float64, shape (passes, 3)
        Of haematoxylin, eosin and the rest; 0.9 to 1.1.
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
        Of haematoxylin, eosin and the rest.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    change = np.linalg.inv(_STAINS) @ np.diag(gain) @ _STAINS
    density = cv2.transform(_DENSITY[image], change.T.astype(np.float32))
    light = cv2.exp(np.negative(density, out=density)).reshape(image.shape)
    return np.clip(np.rint(256 * light - 1), 0, 255).astype(np.uint8)
