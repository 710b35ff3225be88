"""The JSON of HoVer-Net, which many scripts read."""

from __future__ import annotations

import json
from typing import IO

import cv2
import numpy as np

from karyoscope.export.base import Writer, close_quietly
from karyoscope.nuclei import Nuclei


class HoverNetWriter(Writer):
    """``{"mag": null, "type_info": ..., "nuc": {id: {...}}}`` as HoVer-Net's inference writes it.

    Per nucleus ``bbox`` [[top, left], [bottom, right]] (exclusive), ``centroid`` [x, y],
    ``contour`` [[x, y], ...], ``type`` (class id) and ``type_prob``. As in HoVer-Net, positions
    are whole pixels with the origin at the *centre* of the top left pixel, and a contour runs
    through the centres of the outermost pixels. ``mag`` is null because positions are in pixels of
    level 0; ``type_info`` names the classes, as the file of that name does for HoVer-Net.
    """

    name = "hovernet"
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
        for row, nucleus_id in enumerate(nuclei.id.tolist()):
            value = _shape(nuclei, row)
            value["type_prob"] = None if probability is None else round(probability[row], 4)
            value["type"] = int(nuclei.class_id[row])
            self._file.write(f'{self._separator}"{nucleus_id}": {json.dumps(value)}')
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


def _shape(nuclei: Nuclei, row: int) -> dict:
    """Box, centroid and contour of one nucleus from its pixels."""
    outline = nuclei.outline(row)
    left, top = np.floor(outline.min(0)).astype(int)
    right, bottom = np.ceil(outline.max(0)).astype(int)
    labels = nuclei.take([row]).label_image(right - left, bottom - top, left, top)
    mask = (labels > 0).astype(np.uint8)
    if not mask.any():
        # Smaller than a pixel and between the centres of four: the pixel that it is most in.
        mask[int(nuclei.y[row]) - top, int(nuclei.x[row]) - left] = 1
    rings, _ = cv2.findContours(
        mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top)
    )
    contour = max(rings, key=len)[:, 0]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return {
        "bbox": [
            [int(top + rows[0]), int(left + columns[0])],
            [int(top + rows[-1] + 1), int(left + columns[-1] + 1)],
        ],
        "centroid": [round(float(nuclei.x[row]) - 0.5, 2), round(float(nuclei.y[row]) - 0.5, 2)],
        "contour": contour.tolist(),
    }
