"""A trained RestainNet as a normaliser of stains; runs without torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.staining import natural_density
from karyoscope.inference import Engine
from karyoscope.inference.bundle import ONNX
from karyoscope.inference.model import predict_padded
from karyoscope.inference.restain_bundle import RGB, RestainBundle
from karyoscope.stains import Normaliser, Recolour, tissue_pixels
from karyoscope.stains.deconvolution import rgb_of_density
from karyoscope.stains.tissue import LEAST_PIXELS

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LEVELS = np.arange(256, dtype=np.uint8)
#: Slides are made darker or paler by this factor at most.
_LARGEST_GAIN = 2.0


def grey_density(pixels: np.ndarray) -> float | None:
    """Mean optical density of the luma of tissue; None if there is too little tissue.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (n, 3)
    """
    tissue = tissue_pixels(pixels)
    if len(tissue) < LEAST_PIXELS:
        return None
    grey = np.rint(tissue @ _LUMA).astype(np.uint8)
    return float(natural_density(grey).mean(dtype=np.float64))


class Restainer(Normaliser):
    """Stains images as those that a RestainNet learned from.

    The network sees a grey image, which tells nothing of colour but all of strength: a slide that
    is stained too weakly would stay so. Its densities are therefore multiplied first, so that the
    grey of its tissue has the target's mean density; the paper does not say how strength is
    treated.

    Parameters
    ----------
    bundle : RestainBundle
    engine : Engine
    threads : int
        Threads of an engine in another process, which loads the bundle by its path.
    """

    name = "restain"
    targeted = False

    def __init__(self, bundle: RestainBundle, engine: Engine, threads: int = 0) -> None:
        self.bundle, self._engine, self._threads = bundle, engine, threads

    @classmethod
    def open(cls, path: str | Path, threads: int = 0) -> Restainer:
        """Load a bundle on the CPU, in single precision.

        Raises
        ------
        KaryoscopeError
            If the bundle cannot be used.
        """
        from karyoscope.inference.openvino_engine import OpenVinoEngine

        bundle = RestainBundle(path)
        return cls(bundle, OpenVinoEngine(bundle, threads, "f32"), threads)

    def __reduce__(self) -> tuple[Any, ...]:
        # An engine stays in its process; another loads its own.
        return Restainer.open, (self.bundle.path.absolute(), self._threads)

    def fit(self, pixels: np.ndarray) -> Restain:
        """Measure a slide; see :meth:`Normaliser.fit`."""
        card = self.bundle.card
        found = grey_density(pixels)
        gain = 1.0 if found is None else card.density / found
        gain = float(np.clip(gain, 1 / _LARGEST_GAIN, _LARGEST_GAIN))
        return Restain(self, gain)

    def describe(self) -> dict[str, Any]:
        """Which bundle it is."""
        card = self.bundle.card
        digest = hashlib.sha256(self.bundle.read(ONNX)).hexdigest()
        return {
            "model": card.name,
            "version": card.version,
            "licence": card.licence,
            "density": card.density,
            "sha256": digest,
        }

    def run(self, rgb: np.ndarray) -> np.ndarray:
        """Stain an image of any size: ndarray of uint8, shape (h, w, 3)."""
        found = predict_padded(self._engine.run, rgb, self.bundle.card.input.multiple_of)
        if RGB not in found or found[RGB].shape != rgb.shape:
            raise KaryoscopeError(f"model bundle {self.bundle.path}: its network gives no colours")
        rounded: np.ndarray = np.clip(np.rint(255 * found[RGB]), 0, 255).astype(np.uint8)
        return rounded


class Restain(Recolour):
    """A RestainNet on one slide.

    Parameters
    ----------
    restainer : Restainer
    gain : float
        Factor of the slide's densities.
    """

    def __init__(self, restainer: Restainer, gain: float) -> None:
        self._restainer, self.gain = restainer, gain
        window = restainer.bundle.card.input
        self.context, self.align = window.context, window.multiple_of
        self._levels = rgb_of_density(gain * natural_density(_LEVELS))

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Change an image; see :meth:`Recolour.__call__`."""
        return self._restainer.run(cv2.LUT(rgb, self._levels))
