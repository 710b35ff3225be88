"""Tiles with the outlines of their true and predicted nuclei."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from karyoscope.core.taxonomy import UNCLASSIFIED, Taxonomy
from karyoscope.metrics import contingency

_ZOOM = 2
_LINE = 2
#: How much of the class colour lies over an unmatched nucleus.
_FILL = 0.45
_PLAIN = (255, 214, 0)
_GAP = 8
_WHITE = 255


@dataclass(frozen=True)
class Tile:
    """A part of an image with its true and predicted nuclei.

    Attributes
    ----------
    title : str
        Name of the image and place of the tile in it.
    pq : float
        Panoptic quality of all nuclei of the tile, whatever their class.
    image : ndarray of uint8, shape (h, w, 3)
    true, pred : ndarray of int32, shape (h, w)
    true_classes, pred_classes : ndarray of uint8, by id
    """

    title: str
    pq: float
    image: np.ndarray
    true: np.ndarray
    pred: np.ndarray
    true_classes: np.ndarray
    pred_classes: np.ndarray


def draw_tile(tile: Tile, taxonomy: Taxonomy | None) -> tuple[np.ndarray, np.ndarray]:
    """Draw the true and the predicted nuclei of a tile, each on the image.

    Outlines have the colour of the class. An unmatched nucleus (IoU at most 0.5) is filled:
    it is a false negative or a
    false positive. A predicted nucleus that is matched with one of another class has a dot in
    the colour of the true one.

    Parameters
    ----------
    tile : Tile
        Image with its true and predicted nuclei.
    taxonomy : Taxonomy or None
        Colours; None where nuclei have no classes.

    Returns
    -------
    true, pred : ndarray of uint8, shape (2 h, 2 w, 3)
        RGB.
    """
    colors = _colors(taxonomy)
    table = contingency(tile.true, tile.pred)
    hit = table.pair_iou > 0.5
    partner = dict(
        zip(
            table.pred_ids[table.pair_pred[hit]].tolist(),
            table.true_ids[table.pair_true[hit]].tolist(),
            strict=True,
        )
    )
    true = _draw(tile.image, tile.true, colors[tile.true_classes], set(partner.values()))
    pred = _draw(tile.image, tile.pred, colors[tile.pred_classes], set(partner))
    for of_pred, of_true in partner.items():
        true_class = tile.true_classes[of_true]
        if true_class not in (0, tile.pred_classes[of_pred]):
            _dot(pred, tile.pred == of_pred, colors[true_class])
    return true, pred


def draw_rows(tiles: Sequence[Tile], taxonomy: Taxonomy | None) -> np.ndarray:
    """Draw a row for each tile: the image, its true nuclei, the predicted ones.

    Parameters
    ----------
    tiles : sequence of Tile
        Tiles to draw, at least one; they may differ in size.
    taxonomy : Taxonomy or None
        Colours; None where nuclei have no classes.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        RGB, white between the pictures.
    """
    rows = [_row(tile, taxonomy) for tile in tiles]
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [
            np.pad(row, ((0, _GAP), (0, width - row.shape[1]), (0, 0)), constant_values=_WHITE)
            for row in rows
        ]
    )


def _row(tile: Tile, taxonomy: Taxonomy | None) -> np.ndarray:
    true, pred = draw_tile(tile, taxonomy)
    plain = cv2.resize(tile.image, true.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    gap = np.full((true.shape[0], _GAP, 3), _WHITE, np.uint8)
    return np.concatenate([plain, gap, true, gap, pred], axis=1)


def _draw(
    image: np.ndarray, labels: np.ndarray, colors: np.ndarray, paired: set[int]
) -> np.ndarray:
    """Outline every nucleus and fill those that are not paired; ``colors`` is by id."""
    size = (image.shape[1] * _ZOOM, image.shape[0] * _ZOOM)
    picture = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    filled = picture.copy()
    rings = list(_rings(labels))
    for nucleus, contours in rings:
        if nucleus not in paired:
            cv2.drawContours(filled, contours, -1, colors[nucleus].tolist(), cv2.FILLED)
    picture = cv2.addWeighted(filled, _FILL, picture, 1 - _FILL, 0)
    for nucleus, contours in rings:
        cv2.drawContours(picture, contours, -1, colors[nucleus].tolist(), _LINE, cv2.LINE_AA)
    return picture


def _rings(labels: np.ndarray) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Id and enlarged, smoothed contours of each nucleus."""
    ids, dense = np.unique(np.append(labels, 0), return_inverse=True)
    dense = dense[:-1].reshape(labels.shape)
    for place, box in enumerate(ndimage.find_objects(dense), start=1):
        mask = np.pad((dense[box] == place).astype(np.float32), 1)
        large = cv2.resize(mask, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_LINEAR)
        offset = ((box[1].start - 1) * _ZOOM, (box[0].start - 1) * _ZOOM)
        contours, _ = cv2.findContours(
            (large > 0.5).astype(np.uint8),
            cv2.RETR_EXTERNAL,
            cv2.CHAIN_APPROX_NONE,
            offset=offset,
        )
        yield int(ids[place]), list(contours)


def _dot(picture: np.ndarray, mask: np.ndarray, color: np.ndarray) -> None:
    rows, columns = np.nonzero(mask)
    centre = (round((columns.mean() + 0.5) * _ZOOM), round((rows.mean() + 0.5) * _ZOOM))
    cv2.circle(picture, centre, 3 * _ZOOM, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
    cv2.circle(picture, centre, 2 * _ZOOM, color.tolist(), cv2.FILLED, cv2.LINE_AA)


def _colors(taxonomy: Taxonomy | None) -> np.ndarray:
    table = np.full((256, 3), _PLAIN, np.uint8)
    if taxonomy is not None:
        for c in (UNCLASSIFIED, *taxonomy.classes):
            table[c.id] = c.color
    return table
