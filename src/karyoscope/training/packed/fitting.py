"""Find the coding of images that loses least within a number of bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.training.packed.coding import QUALITIES, Coding, decode_image, encode_image

_MIB = 2**20


@dataclass(frozen=True)
class Loss:
    """Difference between compressed and original images.

    Attributes
    ----------
    psnr : float
        Mean over images, dB.
    lowest : float
        PSNR of the image that is least like its original, dB.
    worst : str
        Its name.
    difference : float
        Mean absolute difference of all values, in grey levels of 0 to 255.
    """

    psnr: float
    lowest: float
    worst: str
    difference: float


@dataclass(frozen=True)
class Fitted:
    """Coded images.

    Attributes
    ----------
    data : list of bytes
    coding, suffix : str
        The coding in words, and the suffix of the file names.
    loss : Loss or None
        None where there is none.
    """

    data: list[bytes]
    coding: str
    suffix: str
    loss: Loss | None


def fit_images(images: Sequence[np.ndarray], names: Sequence[str], room: int) -> Fitted:
    """Code images without loss, or at the highest quality at which they fit.

    Parameters
    ----------
    images : sequence of ndarray of uint8, shape (h, w, 3)
    names : sequence of str
        Names of the images, for the report.
    room : int
        Bytes for all of them.

    Raises
    ------
    KaryoscopeError
        If they do not fit even at the lowest quality.
    """
    if (lossless := _coded(images, "lossless", room)) is not None:
        return Fitted(lossless, "WebP without loss", "webp", None)
    lowest = QUALITIES[-1]
    best = _coded(images, lowest, None)
    assert best is not None
    if (size := sum(map(len, best))) > room:
        raise KaryoscopeError(
            f"at the lowest quality, AVIF {lowest}, images take {size / _MIB:.1f} MiB, and"
            f" {max(room, 0) / _MIB:.1f} MiB are left after labels and published JPEG files:"
            " raise --limit-mib, or leave a dataset out"
        )
    quality, above, below = lowest, 0, len(QUALITIES) - 1
    while above < below:
        middle = (above + below) // 2
        tried = _coded(images, QUALITIES[middle], room)
        if tried is None:
            above = middle + 1
        else:
            below, quality, best = middle, QUALITIES[middle], tried
    return Fitted(
        best, f"AVIF 4:4:4 of quality {quality}", "avif", coding_loss(images, names, best)
    )


def _coded(images: Sequence[np.ndarray], coding: Coding, room: int | None) -> list[bytes] | None:
    """Code images in several threads; None, and early, where they do not fit."""
    done: list[bytes] = []
    total = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = [pool.submit(encode_image, image, coding) for image in images]
        for job in jobs:
            done.append(job.result())
            total += len(done[-1])
            if room is not None and total > room:
                pool.shutdown(cancel_futures=True)
                return None
    return done if room is None or total <= room else None


def coding_loss(images: Sequence[np.ndarray], names: Sequence[str], coded: Sequence[bytes]) -> Loss:
    """Compare what will be read with what there was."""

    def one(pair: tuple[np.ndarray, bytes]) -> tuple[float, float]:
        image, data = pair
        back = decode_image(data, (image.shape[0], image.shape[1]))
        difference = np.subtract(image, back, dtype=np.int16)
        squared = float(np.square(difference, dtype=np.int32).mean())
        psnr = 10 * np.log10(255**2 / max(squared, 1e-9))
        return float(psnr), float(np.abs(difference).sum())

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(pool.map(one, zip(images, coded, strict=True)))
    ratios = [psnr for psnr, _ in found]
    worst = int(np.argmin(ratios))
    total = sum(difference for _, difference in found)
    values = sum(image.size for image in images)
    return Loss(float(np.mean(ratios)), ratios[worst], names[worst], total / values)
