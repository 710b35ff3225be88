"""The JSON of HoVer-Net, which many scripts read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

import cv2
import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.raster import fill_outlines
from karyoscope.formats.base import Writer, close_quietly


class HoverNetWriter(Writer):
    """``{"mag": null, "type_info": ..., "nuc": {id: {...}}}`` as HoVer-Net's inference writes it.

    Per nucleus ``bbox`` [[top, left], [bottom, right]] (exclusive), ``centroid`` [x, y],
    ``contour`` [[x, y], ...], ``type`` (class id) and ``type_prob``. As in HoVer-Net, positions
    are whole pixels with the origin at the *centre* of the top left pixel, and a contour runs
    through the centres of the outermost pixels. ``mag`` is null because positions are in pixels of
    level 0; ``type_info`` names the classes, as the file of that name does for HoVer-Net.
    """

    name = "hovernet"
    about = "nuclei as HoVer-Net's programs write them"
    opens_in = "HoVer-Net's tools"
    suffix = ".hovernet.json"

    _file: IO[str] | None = None

    def _open(self) -> None:
        self._file = self.partial.open("w", encoding="utf-8", buffering=1 << 20)
        taxonomy = self.context.taxonomy
        classes = [taxonomy.by_id(i) for i in (0, *taxonomy.ids)]
        info = {str(c.id): [c.name, list(c.color)] for c in classes}
        header = json.dumps({"mag": None, "type_info": info}, ensure_ascii=False)
        self._file.write(header[:-1] + ', "nuc": {')
        self._separator = "\n"

    def _write(self, nuclei: Nuclei) -> None:
        assert self._file is not None
        probability = _probability_of_class(nuclei)
        for row, (corner, mask) in enumerate(_masks(nuclei)):
            value = _shape(nuclei.x[row], nuclei.y[row], corner, mask)
            value["type_prob"] = None if probability is None else round(probability[row], 4)
            value["type"] = int(nuclei.class_id[row])
            self._file.write(f'{self._separator}"{nuclei.id[row]}": {json.dumps(value)}')
            self._separator = ",\n"

    def _finish(self) -> None:
        assert self._file is not None
        self._file.write("\n}}\n")
        self._file.close()

    def _release(self) -> None:
        if self._file is not None:
            close_quietly(self._file)


def _probability_of_class(nuclei: Nuclei) -> list[float] | None:
    """Probability of each nucleus's own class, or of its likeliest where it has none."""
    if not nuclei.probabilities.shape[1]:
        return None
    columns = np.searchsorted(nuclei.taxonomy.ids, nuclei.class_id)
    own = nuclei.probabilities[np.arange(len(nuclei)), columns]
    return np.where(nuclei.class_id > 0, own, nuclei.probabilities.max(1)).tolist()


def _masks(nuclei: Nuclei) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Corner (x, y) and pixels (uint8) of each nucleus."""
    starts = nuclei.offsets[:-1]
    low = np.floor(np.minimum.reduceat(nuclei.vertices, starts)).astype(int)
    size = np.ceil(np.maximum.reduceat(nuclei.vertices, starts)).astype(int) - low
    one = np.ones(1, np.uint32)
    for row, ((x, y), (width, height)) in enumerate(zip(low.tolist(), size.tolist(), strict=True)):
        outline = nuclei.outline(row)
        ends = np.array([0, len(outline)])
        yield (x, y), fill_outlines(outline, ends, one, x, y, width, height).astype(np.uint8)


def _shape(x: float, y: float, corner: tuple[int, int], mask: np.ndarray) -> dict:
    """Box, centroid and contour of one nucleus from its pixels."""
    left, top = corner
    if not mask.any():
        # Smaller than a pixel and between the centres of four: the pixel that it is most in.
        mask[int(y) - top, int(x) - left] = 1
    mode, method = cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    rings, _ = cv2.findContours(mask, mode, method, offset=corner)
    first, second, width, height = cv2.boundingRect(mask)
    box = [[top + second, left + first], [top + second + height, left + first + width]]
    return {
        "bbox": box,
        "centroid": [round(float(x) - 0.5, 2), round(float(y) - 0.5, 2)],
        "contour": max(rings, key=len)[:, 0].tolist(),
    }
