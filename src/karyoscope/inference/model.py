"""A model ready to run: a bundle on an engine."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.inference.bundle import CARD, Bundle
from karyoscope.inference.engine import Engine, Maps
from karyoscope.inference.find import find_bundle
from karyoscope.inference.tta import VIEWS, RandomRun, Run, average_over_views

#: For fewer pixels of one size, compiling for it takes longer than it saves.
_MANY_PIXELS = 2_000_000


class Model:
    """A loaded model, which predicts maps from pixels.

    Parameters
    ----------
    bundle : Bundle
        Description of the model: scale, classes, maps, post-processing.
    engine : Engine
        Engine that runs the network.
    tta : int
        Number of views that are averaged: 1, 2, 4, 8 (flips and quarter turns) or 16 (each twice,
        with other stains, and dropout where the engine has it).
    """

    def __init__(self, bundle: Bundle, engine: Engine, tta: int = 1) -> None:
        if tta not in VIEWS:
            raise KaryoscopeError(f"tta takes {', '.join(map(str, VIEWS))} views, not {tta}")
        self.bundle = bundle
        self.engine = engine
        self.tta = tta

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.bundle.card.name

    @property
    def mpp(self) -> float:
        """Micrometres per pixel that the model works at."""
        return self.bundle.card.mpp

    @property
    def context(self) -> int:
        """Pixels at the edge of a window that only serve as context."""
        return self.bundle.card.input.context

    @property
    def taxonomy(self) -> Taxonomy:
        """The classes that the model predicts."""
        return self.bundle.taxonomy

    def for_counting(self) -> Model:
        """The same network, with the parameters that were tuned to count nuclei.

        Returns
        -------
        Model
            This one, where the bundle has no such parameters.
        """
        counting = self.bundle.card.counting
        if counting is None:
            return self
        bundle = copy.copy(self.bundle)
        bundle.card = bundle.card.model_copy(update={"postprocessing": counting, "counting": None})
        return Model(bundle, self.engine, self.tta)

    def expect(self, height: int, width: int, number: int) -> None:
        """Prepare for many images of one size, if that makes inference faster.

        Maps are the same with and without it.

        Parameters
        ----------
        height, width : int
            Size of an image at the model's scale, in pixels.
        number : int
            Number of images that will come.

        Raises
        ------
        KaryoscopeError
            If the engine fails.
        """
        if height * width * number < _MANY_PIXELS:
            return
        multiple = self.bundle.card.input.multiple_of
        rows, columns = (-(-edge // multiple) * multiple for edge in (height, width))
        turned = {(columns, rows)} if self.tta > 4 else set()
        self.engine.expect({(rows, columns)} | turned)

    def predict(self, rgb: np.ndarray) -> Maps:
        """Maps of one image at the model's scale.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (h, w, 3)
            Any size; it is mirrored up to the multiple that the network needs.

        Returns
        -------
        dict of str to ndarray of float32
            ``(h, w)`` or ``(h, w, channels)``; maps with stride s have ``ceil(h / s)`` rows and
            ``ceil(w / s)`` columns.

        Raises
        ------
        KaryoscopeError
            If the engine fails, or the network does not give the maps that the bundle names.
        """
        card = self.bundle.card
        engine, multiple = self.engine, card.input.multiple_of
        maps = predict_padded(engine.run, rgb, multiple, self.tta, engine.run_at_random)
        for name, stride in card.maps.items():
            shape = tuple(-(-edge // stride) for edge in rgb.shape[:2])
            if name not in maps or maps[name].shape[:2] != shape:
                raise KaryoscopeError(
                    f"model bundle {self.bundle.path}: its network gives no map {name!r} at stride"
                    f" {stride}, which {CARD} promises"
                )
        return {name: maps[name] for name in card.maps}


def predict_padded(
    run: Run, rgb: np.ndarray, multiple_of: int, tta: int = 1, random_run: RandomRun | None = None
) -> Maps:
    """Run a network on an image of any size: mirror it up to a multiple, run, crop the maps."""
    height, width = rgb.shape[:2]
    rows, columns = (-(-edge // multiple_of) * multiple_of for edge in (height, width))
    maps = average_over_views(run, _mirror_to(rgb, rows, columns), tta, random_run)
    cropped = {}
    for name, values in maps.items():
        stride = rows // values.shape[0]
        cropped[name] = values[: -(-height // stride), : -(-width // stride)]
    return cropped


def _mirror_to(image: np.ndarray, height: int, width: int) -> np.ndarray:
    missing = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
    if not any(after for _, after in missing):
        return image
    return np.pad(image, missing, mode="symmetric")


def load_model(
    source: str | Path | Bundle = "lizard", device: str = "auto", threads: int = 0, tta: int = 1
) -> Model:
    """Load a model.

    Parameters
    ----------
    source : str, path or Bundle
        A shipped model by name, or a bundle (folder or zip file); several with commas between are
        averaged, as is a bundle that is an ensemble.
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes a GPU where torch or ONNX Runtime sees one, else the CPU.
    threads : int
        Threads of the CPU; 0 for all.
    tta : int
        Views that are averaged: 1, 2, 4, 8 or 16; see :class:`Model`.

    Raises
    ------
    KaryoscopeError
        If the bundle or the device cannot be used.
    """
    from karyoscope.inference.devices import open_engine

    bundle = source if isinstance(source, Bundle) else find_bundle(source)
    for spec in (bundle.card.postprocessing, bundle.card.counting):
        if spec is not None:
            bundle.require_plugin(spec.name)
    return Model(bundle, open_engine(bundle, device, threads), tta)
