"""JSON files as HoVer-Net's code writes them, of tiles and of whole slides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Sample
from karyoscope.evaluation.predictions.base import Prediction, PredictionFiles


class HoverNetFiles(PredictionFiles):
    """``<stem>.json`` with ``nuc``: for each nucleus its ``contour`` and its ``type``.

    Vertices are pixels of the image, which belong to the nucleus themselves. A type of 0 is "not
    classified".
    """

    name = "hovernet"
    what = "HoVer-Net JSON files"
    endings: ClassVar[tuple[str, ...]] = (".hovernet.json", ".json")

    def __init__(self, path: Path, taxonomy: Taxonomy) -> None:
        super().__init__(path, taxonomy)
        # Summaries, which are written beside, are JSON too.
        self.files = {k: v for k, v in self.files.items() if not k.endswith(".summary")}
        self.names = tuple(sorted(self.files))

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Whether a JSON file has nuclei in it."""
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        return any(
            f.suffix.lower() == ".json" and b'"nuc"' in f.read_bytes()[:100_000]
            for f in files
            if f.is_file()
        )

    def has_classes(self, path: Path) -> bool:
        """Whether any nucleus has a type."""
        try:
            return any(nucleus.get("type") is not None for nucleus in _nuclei(path))
        except KaryoscopeError:
            return False

    def read(self, path: Path, sample: Sample) -> Prediction:
        """Fill the contours."""
        inst_map = np.zeros(sample.inst_map.shape, np.int32)
        types = [0]
        try:
            for nucleus in _nuclei(path):
                contour = np.asarray(nucleus["contour"], np.float64).reshape(-1, 2)
                _check_inside(contour, inst_map.shape, path)
                _fill(inst_map, np.rint(contour).astype(np.int32), len(types))
                types.append(_whole(nucleus.get("type") or 0))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise KaryoscopeError(
                f"{path}: nucleus {len(types)} has no readable contour or type"
            ) from error
        if self.taxonomy is None:
            return Prediction(inst_map, None)
        return Prediction(inst_map, self.check_class_ids(np.array(types), path))


def _whole(kind: Any) -> int:
    if isinstance(kind, bool) or int(kind) != float(kind):
        raise ValueError(f"{kind!r} is no class")
    return int(kind)


def _check_inside(contour: np.ndarray, shape: tuple[int, ...], path: Path) -> None:
    """Name contours that were made on another grid, such as another magnification."""
    height, width = shape
    if not len(contour) or contour.min() < 0 or (contour.max(0) >= [width, height]).any():
        raise KaryoscopeError(
            f"{path}: a contour leaves the image, which has {width} x {height} pixels"
        )


def _fill(inst_map: np.ndarray, contour: np.ndarray, value: int) -> None:
    """Number the pixels of a contour and inside it that no nucleus has yet, in place."""
    left, top = contour.min(0)
    right, bottom = contour.max(0) + 1
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.drawContours(mask, [contour - [left, top]], -1, 1, cv2.FILLED)
    window = inst_map[top:bottom, left:right]
    window[(mask > 0) & (window == 0)] = value


def _nuclei(path: Path) -> Iterator[dict[str, Any]]:
    try:
        nuclei = json.loads(path.read_text(encoding="utf-8"))["nuc"]
        yield from nuclei.values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KaryoscopeError(f"{path}: no HoVer-Net JSON file with nuclei") from error
