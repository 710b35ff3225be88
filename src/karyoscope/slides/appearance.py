"""What speaks against a picture being H&E, in words: one reason, or none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from karyoscope.core.foreign import extremes, flat_grey
from karyoscope.core.staining import natural_density

_FLUORESCENCE = (
    *("dapi", "hoechst", "fitc", "tritc", "cy2", "cy3", "cy5", "cy7", "alexa", "af4", "af5"),
    *("af6", "af7", "gfp", "rfp", "yfp", "cfp", "mcherry", "texas red", "texasred", "rhodamine"),
    *("opal", "fluor", "atto", "propidium", "autofl"),
)
#: Pixels that are looked at, spread over the picture.
_LOOKED_AT = 1_000_000
#: Values that differ by no more than this, but for a pixel in a thousand, are one colour.
_FLAT = 4
#: Chroma up to this is none.
_GREY = 3
#: The brightest of an image of a bright field lies above this, unless its white is less than 255.
_HALF_WHITE = 128
#: Median brightness, 0 to 255, below which stained tissue on a bright field cannot be.
_DARK = 70
#: What red and blue swapped look like, to follow "this does not look like H&E: ".
SWAPPED = "its red and blue look swapped, as where BGR was saved as RGB"
#: Least pixels of about 2 µm in which swapped colours are judged.
_JUDGED = 500
#: Score of :func:`red_and_blue_swapped` below which they are, chosen with
#: ``benchmarks/swapped.py`` on one half of its images.
_SWAPPED = -0.06


def not_he(rgb: np.ndarray, tissue: np.ndarray, channels: Sequence[str] = ()) -> str:
    """Reason why a picture does not look like H&E; empty if it does.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        A slide at low resolution.
    tissue : ndarray of bool, shape (h, w)
        What would be its tissue.
    channels : sequence of str
        Names that the file gives to its channels.

    Returns
    -------
    str
        To follow "this does not look like H&E: "; empty where nothing speaks against it.
    """
    named = [name for name in channels if any(mark in name.lower() for mark in _FLUORESCENCE)]
    if named:
        return f"its channels are of fluorescence ({', '.join(channels)})"
    step = max(1, math.ceil(math.sqrt(tissue.size / _LOOKED_AT)))
    rgb, tissue = np.ascontiguousarray(rgb[::step, ::step]), tissue[::step, ::step]
    low, high = np.percentile(rgb.reshape(-1, 3), [0.1, 99.9], axis=0)
    if (high - low).max() <= _FLAT:
        white = ", white, as where all of it is transparent" if low.min() >= 255 - _FLAT else ""
        return f"it has one colour alone{white}"
    least, most = extremes(rgb)
    chroma = most - least
    if np.percentile(chroma, 99.9) <= _GREY:
        return "it is grey, without any colour"
    shown = tissue if tissue.any() else ~flat_grey(rgb) & (least < 255)
    pixels = rgb[shown]
    if not len(pixels) or np.median(cv2.cvtColor(pixels[None], cv2.COLOR_RGB2GRAY)) >= _DARK:
        if high.max() > _HALF_WHITE:
            return ""
        return f"nothing in it is brighter than {high.max():.0f} of 255, as where white is another"
    if _inverted(pixels):
        return "its colours are inverted"
    return "its ground is dark, as in fluorescence"


def _inverted(pixels: np.ndarray) -> bool:
    """Tell whether dark pixels are those of H&E with every channel subtracted from 255.

    Pink and violet have the least green; inverted, the most, and no channel without light.
    """
    greenest = (pixels[:, 1] > pixels[:, 0]) & (pixels[:, 1] > pixels[:, 2])
    return bool(greenest.mean() > 0.5 and np.median(pixels[greenest].min(-1)) >= 8)


def red_and_blue_swapped(pixels: np.ndarray) -> bool:
    """Tell whether pixels of H&E have red and blue swapped.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, 3)
        Tissue at about 2 µm/px, where nuclei are distinct.

    Returns
    -------
    bool
        False where there are too few pixels, or where green is not absorbed most, as by H&E with
        red and blue in either order.
    """
    if len(pixels) < _JUDGED:
        return False
    totals, excesses, greenest = [], [], 0
    for start in range(0, len(pixels), _LOOKED_AT):
        density = natural_density(pixels[start : start + _LOOKED_AT])
        most = np.maximum(density[:, 0], density[:, 2])
        greenest += int(np.count_nonzero(density[:, 1] >= most))
        totals.append(density.sum(1))
        excesses.append(density[:, 0] - density[:, 2])
    if greenest <= 0.5 * len(pixels):
        return False
    return _score(np.concatenate(totals), np.concatenate(excesses)) < _SWAPPED


def swap_score(density: np.ndarray) -> float:
    """Score how much bluer dark pixels are than pale ones, as nuclei are bluer than eosin.

    Parameters
    ----------
    density : ndarray of float, shape (n, 3)
        Optical density of red, green and blue; the base of the logarithm does not matter.

    Returns
    -------
    float
        By how much the density of red exceeds that of blue: the slope over the density of all
        colours, minus the share in the paler half of the pixels. Swapping changes its sign.
    """
    return _score(density.sum(1), density[:, 0] - density[:, 2])


def _score(total: np.ndarray, excess: np.ndarray) -> float:
    """Score of the density of all colours, and of the excess of red over blue, of pixels."""
    variance = float(total.var())
    pale = total <= np.median(total)
    if not (variance > 0 and total[pale].sum() > 0):
        return 0.0
    slope = float(((total - total.mean()) * (excess - excess.mean())).mean()) / variance
    return slope - float(excess[pale].sum() / total[pale].sum())
