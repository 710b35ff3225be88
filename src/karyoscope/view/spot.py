"""The nucleus at a point, outlined by a model: what a click adds."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Model
from karyoscope.pipeline import prepare_model, segment_open_slide
from karyoscope.slides import Slide

#: How far from a click the centroid of its nucleus may be, in µm.
_REACH_UM = 4.0
#: Windows whose maps are kept: clicks in one place fall into the same few windows.
_WINDOWS = 4


class _Remembering(Model):
    """A model that keeps the maps of the last windows; the same pixels have the same maps."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.bundle, model.engine, model.tta)
        self._kept: OrderedDict[bytes, dict[str, np.ndarray]] = OrderedDict()

    #: So that each window is looked up by itself.
    batch = 1

    def predict(self, rgb: np.ndarray) -> dict[str, np.ndarray]:
        """Maps of one image, from memory where it was the image of a recent click, too."""
        key = hashlib.blake2b(rgb.tobytes(), salt=b"%d" % rgb.shape[1]).digest()
        if key not in self._kept:
            self._kept[key] = super().predict(rgb)
            while len(self._kept) > _WINDOWS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


class SpotSegmenter:
    """A model that is ready, asked for one nucleus at a time.

    Parameters
    ----------
    model : Model
        Result of :func:`karyoscope.pipeline.prepare_model`.
    """

    def __init__(self, model: Model) -> None:
        self._model = _Remembering(model)
        self._lock = threading.Lock()

    @classmethod
    def load(cls, model: str | Path) -> Self:
        """Load a shipped model by name, or a bundle by path.

        Raises
        ------
        KaryoscopeError
            If there is no such model, or it cannot be loaded.
        """
        return cls(prepare_model(model))

    def __call__(self, slide: Slide, x: float, y: float) -> tuple[list[list[float]], str]:
        """Outline of the nucleus at a point of level 0: the one that a run on the slide finds.

        Returns
        -------
        outline : list of [x, y]
            In pixels of level 0, ring not closed.
        name : str
            Its class in the model's taxonomy.

        Raises
        ------
        KaryoscopeError
            If the model finds no nucleus within 4 µm of the point.
        """
        edge = 2 * round(_REACH_UM / slide.mpp) + 1
        around = (math.floor(x) - edge // 2, math.floor(y) - edge // 2, edge, edge)
        with self._lock:
            nuclei = segment_open_slide(slide, self._model, around, tissue="none")
        distance = np.hypot(nuclei.x - x, nuclei.y - y) * slide.mpp
        if not len(nuclei) or distance.min() > _REACH_UM:
            raise KaryoscopeError("the model finds no nucleus here; draw its outline instead")
        row = int(np.argmin(distance))
        name = nuclei.taxonomy.by_id(int(nuclei.class_id[row])).name
        return [[float(a), float(b)] for a, b in nuclei.outline(row)], name
