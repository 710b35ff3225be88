"""A contact sheet: many images at a glance, with outlines in the colours of their classes."""

from __future__ import annotations

import cv2
import numpy as np

from karyoscope.core.taxonomy import UNCLASSIFIED, Taxonomy
from karyoscope.datasets.base import Sample

_CROP = 192
_ZOOM = 2
_CAPTION = 22
_TILE = _CROP * _ZOOM
_COLUMNS = 4
_FONT = cv2.FONT_HERSHEY_SIMPLEX


class ContactSheet:
    """Collects tiles and lays them out.

    Each tile shows the part of 192 x 192 pixels of an image that holds most nuclei, twice
    enlarged.

    Parameters
    ----------
    taxonomy : Taxonomy
        Colours and legend.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._tiles: list[np.ndarray] = []

    def add(self, sample: Sample) -> None:
        """Draw one image."""
        y, x = _fullest(sample)
        window = (slice(y, y + _CROP), slice(x, x + _CROP))
        picture = _enlarge(sample.image[window], cv2.INTER_CUBIC)
        inst_map = _enlarge(sample.inst_map[window].astype(np.float32), cv2.INTER_NEAREST)
        inst_map = inst_map.astype(np.int32)
        if sample.ignore is not None:
            ignored = _enlarge(sample.ignore[window].astype(np.uint8), cv2.INTER_NEAREST) > 0
            picture[ignored] = picture[ignored] // 2 + 90
        thick = cv2.dilate(outlines(inst_map).astype(np.uint8), np.ones((2, 2), np.uint8))
        edge = (thick > 0) & (inst_map > 0)
        picture[edge] = self._colors()[sample.classes[inst_map[edge]]]
        for px, py, class_id in sample.points if sample.points is not None else ():
            centre = (round((px - x) * _ZOOM), round((py - y) * _ZOOM))
            cv2.circle(picture, centre, 6, (0, 0, 0), -1)
            color = self._colors()[int(class_id)].tolist()
            cv2.circle(picture, centre, 4, color, -1)
        tile = np.full((_TILE + _CAPTION, _TILE + 8, 3), 255, np.uint8)
        tile[: picture.shape[0], : picture.shape[1]] = picture
        count = np.count_nonzero(np.unique(sample.inst_map))
        count += 0 if sample.points is None else len(sample.points)
        height, width = sample.inst_map.shape
        _write(tile, f"{sample.record.name}  {width}x{height}  n={count}", 2, _TILE + 15)
        self._tiles.append(tile)

    def picture(self) -> np.ndarray:
        """All tiles and the legend: (h, w, 3) uint8 RGB."""
        blank = np.full((_TILE + _CAPTION, _TILE + 8, 3), 255, np.uint8)
        columns = max(1, min(_COLUMNS, len(self._tiles)))
        tiles = self._tiles + [blank] * (-len(self._tiles) % columns)
        rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
        rows = rows or [blank]
        return np.vstack([*rows, self._legend(rows[0].shape[1])])

    def _legend(self, width: int) -> np.ndarray:
        lines, x = [np.full((_CAPTION, width, 3), 255, np.uint8)], 4
        for c in (*self._taxonomy.classes, UNCLASSIFIED):
            length = cv2.getTextSize(c.name, _FONT, 0.45, 1)[0][0] + 34
            if x + length > width:
                lines.append(np.full((_CAPTION, width, 3), 255, np.uint8))
                x = 4
            cv2.rectangle(lines[-1], (x, 4), (x + 12, 16), c.color, -1)
            _write(lines[-1], c.name, x + 18, 15)
            x += length
        return np.vstack(lines)

    def _colors(self) -> np.ndarray:
        table = np.zeros((256, 3), np.uint8)
        for c in (UNCLASSIFIED, *self._taxonomy.classes):
            table[c.id] = c.color
        return table


def outlines(inst_map: np.ndarray) -> np.ndarray:
    """Pixels of nuclei that touch another id or the background: bool, shape (h, w)."""
    edge = np.zeros(inst_map.shape, bool)
    down, right = inst_map[1:] != inst_map[:-1], inst_map[:, 1:] != inst_map[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge & (inst_map > 0)


def _fullest(sample: Sample) -> tuple[int, int]:
    """Top left corner of the window with most of the image's nuclei."""
    height, width = sample.inst_map.shape
    covered = (sample.inst_map > 0).astype(np.float32)
    for x, y, _ in sample.points if sample.points is not None else ():
        covered[min(height - 1, int(y)), min(width - 1, int(x))] = 1
    total = np.pad(covered.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    h, w = min(_CROP, height), min(_CROP, width)
    inside = total[h:, w:] - total[:-h, w:] - total[h:, :-w] + total[:-h, :-w]
    y, x = np.unravel_index(inside.argmax(), inside.shape)
    return int(y), int(x)


def _enlarge(image: np.ndarray, interpolation: int) -> np.ndarray:
    size = (image.shape[1] * _ZOOM, image.shape[0] * _ZOOM)
    return cv2.resize(image, size, interpolation=interpolation)


def _write(picture: np.ndarray, text: str, x: int, y: int) -> None:
    cv2.putText(picture, text, (x, y), _FONT, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
