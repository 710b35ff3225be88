"""A model ready to run: a bundle on an engine."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.inference.bundle import CARD, Bundle
from karyoscope.inference.engine import Engine, Maps
from karyoscope.inference.find import find_bundle
from karyoscope.inference.tta import VIEWS, RandomRun, Run, average_batch_over_views

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
        Number of views that are averaged: 1, 2, 4, 8 (flips and rotations by 90°) or 16 (each
        twice, with other stains, and dropout where the engine has it).
    """

    def __init__(self, bundle: Bundle, engine: Engine, tta: int = 1) -> None:
        if tta not in VIEWS:
            raise KaryoscopeError(f"tta takes {', '.join(map(str, VIEWS))} views, not {tta}")
        self.bundle = bundle
        self.engine = engine
        self.tta = tta

    def __repr__(self) -> str:
        about = f"{len(self.taxonomy)} classes, {self.tta} views, {self.engine.device}"
        return f"Model({self.name!r} at {self.mpp:g} µm/px: {about})"

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
    def batch(self) -> int:
        """Images that one call of :meth:`predict_batch` should be given, at most."""
        return self.engine.batch

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
        rows, columns = self.padded_size(height, width)
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
        return self.predict_batch([rgb])[0]

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that an image is mirrored up to before the network reads it."""
        multiple = self.bundle.card.input.multiple_of
        return -(-height // multiple) * multiple, -(-width // multiple) * multiple

    def predict_batch(self, images: Sequence[np.ndarray]) -> list[Maps]:
        """Maps of several images by one call of the engine.

        Parameters
        ----------
        images : sequence of ndarray of uint8, shape (h, w, 3)
            Images that share one :meth:`padded_size`.

        Returns
        -------
        list of dict of str to ndarray of float32
            The maps of each image, as :meth:`predict` gives them.

        Raises
        ------
        KaryoscopeError
            As :meth:`predict`.
        """
        card = self.bundle.card
        engine, multiple = self.engine, card.input.multiple_of
        batch = predict_padded_batch(engine.run, images, multiple, self.tta, engine.run_at_random)
        for rgb, maps in zip(images, batch, strict=True):
            for name, stride in card.maps.items():
                shape = tuple(-(-edge // stride) for edge in rgb.shape[:2])
                if name not in maps or maps[name].shape[:2] != shape:
                    raise KaryoscopeError(
                        f"model bundle {self.bundle.path}: its network gives no map {name!r} at"
                        f" stride {stride}, which {CARD} promises"
                    )
        return [{name: maps[name] for name in card.maps} for maps in batch]


def predict_padded(
    run: Run, rgb: np.ndarray, multiple_of: int, tta: int = 1, random_run: RandomRun | None = None
) -> Maps:
    """Run a network on an image of any size: mirror it up to a multiple, run, crop the maps."""
    return predict_padded_batch(run, [rgb], multiple_of, tta, random_run)[0]


def predict_padded_batch(
    run: Run,
    images: Sequence[np.ndarray],
    multiple_of: int,
    tta: int = 1,
    random_run: RandomRun | None = None,
) -> list[Maps]:
    """Run a network on images that are mirrored up to one size; see :func:`predict_padded`."""
    rows, columns = (-(-edge // multiple_of) * multiple_of for edge in images[0].shape[:2])
    padded = [_mirror_to(rgb, rows, columns) for rgb in images]
    stack = padded[0][None] if len(padded) == 1 else np.stack(padded)
    maps = average_batch_over_views(run, stack, tta, random_run)
    return [_cropped(maps, number, rgb, rows) for number, rgb in enumerate(images)]


def _cropped(maps: Maps, number: int, rgb: np.ndarray, rows: int) -> Maps:
    """Maps of one image of a batch, without what was mirrored."""
    height, width = rgb.shape[:2]
    cropped = {}
    for name, values in maps.items():
        stride = rows // values.shape[1]
        cropped[name] = values[number, : -(-height // stride), : -(-width // stride)]
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
    device : {"auto", "cpu", "cuda", "mps", "torch"}
        ``auto`` takes a GPU where torch or ONNX Runtime sees one, else the CPU; ``torch`` is the
        CPU through torch, with dropout in 16 views.
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
