"""Making the arrays of CoNIC 2022: 256 px patches, and counts in their central 224 px.

The published script takes patches without overlap from the top left, then patches that end at
the bottom and at the right edge where the size is no multiple of 256 (these overlap their
neighbours), and pads smaller images by reflection (TissueImageAnalytics/CoNIC,
``extract_patches.py``). Order and positions here are the same.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.describe import write_description
from karyoscope.datasets.writing import GrowingArray

SIZE = 256
COUNTED = 224
POSITIONS = "patches.csv"
SOURCE_IDS = "source_ids.npy"
POSITION_COLUMNS = ("patch_info", "image", "x", "y", "width", "height", "nuclei")


def patch_corners(height: int, width: int) -> list[tuple[int, int]]:
    """Top left corners (row, column) of the patches of an image, in the published order.

    Negative where the image is smaller than a patch and is padded.
    """
    pad_y, rows, last_row = _starts(height)
    pad_x, columns, last_column = _starts(width)
    corners = [(row, column) for row in rows for column in columns]
    corners += [(last_row, column) for column in columns if last_row is not None]
    corners += [(row, last_column) for row in rows if last_column is not None]
    if last_row is not None and last_column is not None:
        corners.append((last_row, last_column))
    return [(row - pad_y, column - pad_x) for row, column in corners]


def _starts(length: int) -> tuple[int, range, int | None]:
    """Padding on each side, starts on the grid, and the start that ends at the edge."""
    pad = math.ceil(max(0, SIZE - length) / 2)
    length += 2 * pad
    return pad, range(0, length - SIZE + 1, SIZE), length - SIZE if length % SIZE else None


def count_nuclei(inst_map: np.ndarray, class_map: np.ndarray, taxonomy: Taxonomy) -> list[int]:
    """Nuclei of each class with at least one pixel in the central 224 x 224 of a patch.

    Parameters
    ----------
    inst_map, class_map : ndarray of int, shape (256, 256)
        As in the two channels of ``labels.npy``.
    taxonomy : Taxonomy
        Order of the result.
    """
    edge = (SIZE - COUNTED) // 2
    inst_map, class_map = inst_map[edge:-edge, edge:-edge], class_map[edge:-edge, edge:-edge]
    counts = []
    for class_id in taxonomy.ids:
        ids = np.unique(inst_map[class_map == class_id])
        counts.append(int(np.count_nonzero(ids)))
    return counts


def cut(sample: Sample, corner: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut one patch.

    Returns
    -------
    image : ndarray of uint8, shape (256, 256, 3)
    labels : ndarray of uint16, shape (256, 256, 2)
        Ids 1 to n, and classes.
    ids : ndarray of int32, shape (n,)
        Id in the sample of each id in the patch.
    """
    height, width = sample.inst_map.shape
    rows = _reflected(corner[0], height)[:, None]
    columns = _reflected(corner[1], width)[None, :]
    inst_map = sample.inst_map[rows, columns]
    ids = np.unique(inst_map)
    ids = ids[ids > 0]
    labels = np.zeros((SIZE, SIZE, 2), np.uint16)
    inside = inst_map > 0
    labels[..., 0][inside] = np.searchsorted(ids, inst_map[inside]) + 1
    labels[..., 1] = sample.classes[inst_map]
    return sample.image[rows, columns], labels, ids.astype(np.int32)


def _reflected(start: int, length: int) -> np.ndarray:
    """Indices of a patch along one axis; beyond the edges the image is mirrored."""
    if length == 1:
        return np.zeros(SIZE, np.int64)
    period = 2 * (length - 1)
    index = np.arange(start, start + SIZE) % period
    return np.minimum(index, period - index)


def write_conic(samples: Iterable[Sample], root: Path, taxonomy: Taxonomy) -> None:
    """Write samples as CoNIC arrays, with the table needed to reassemble the images.

    ``images.npy``, ``labels.npy``, ``counts.csv`` and ``patch_info.csv`` are as published;
    ``patches.csv`` and ``source_ids.npy`` add where each patch lies and which nucleus of the
    image each id is.
    """
    root.mkdir(parents=True, exist_ok=True)
    records: list[tuple[Record, float]] = []
    with (
        GrowingArray(root / "images.npy", np.uint8, (SIZE, SIZE, 3)) as images,
        GrowingArray(root / "labels.npy", np.uint16, (SIZE, SIZE, 2)) as labels,
        GrowingArray(root / SOURCE_IDS, np.int32, ()) as source_ids,
        (root / "counts.csv").open("w", encoding="utf-8", newline="") as counts_file,
        (root / "patch_info.csv").open("w", encoding="utf-8", newline="") as info_file,
        (root / POSITIONS).open("w", encoding="utf-8", newline="") as position_file,
    ):
        counts, info = csv.writer(counts_file), csv.writer(info_file)
        positions = csv.writer(position_file)
        counts.writerow(taxonomy.names)
        info.writerow(("patch_info",))
        positions.writerow(POSITION_COLUMNS)
        for sample in samples:
            height, width = sample.inst_map.shape
            for number, (row, column) in enumerate(patch_corners(height, width)):
                image, label, ids = cut(sample, (row, column))
                name = f"{sample.record.name}-{number:04d}"
                images.extend(image[None])
                labels.extend(label[None])
                source_ids.extend(ids)
                counts.writerow(count_nuclei(label[..., 0], label[..., 1], taxonomy))
                info.writerow((name,))
                image_name = sample.record.name
                positions.writerow((name, image_name, column, row, width, height, len(ids)))
                records.append((replace(sample.record, name=name), sample.mpp))
    write_description(root, "conic", taxonomy, records)
