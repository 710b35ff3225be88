"""Shapes of nuclei on the pixel grid, compiled; for distances between objects alone."""

from __future__ import annotations

import numpy as np

from karyoscope.core.kernels import find_root, njit


@njit
def connected_parts(labels: np.ndarray) -> np.ndarray:
    """Number the 8-connected regions of equal label, in scan order; 2-D int32 in and out."""
    height, width = labels.shape
    parts = np.zeros((height, width), np.int32)
    parent = np.zeros(height * width + 1, np.int32)
    count = 0
    for row in range(height):
        for column in range(width):
            label = labels[row, column]
            if label == 0:
                continue
            part = 0
            for dy, dx in ((0, -1), (-1, -1), (-1, 0), (-1, 1)):
                y, x = row + dy, column + dx
                if y < 0 or x < 0 or x >= width or labels[y, x] != label:
                    continue
                other = find_root(parent, parts[y, x])
                if part == 0:
                    part = other
                elif other != part:
                    low, high = min(part, other), max(part, other)
                    parent[high] = low
                    part = low
            if part == 0:
                count += 1
                parent[count] = count
                part = count
            parts[row, column] = part
    number = np.zeros(count + 1, np.int32)
    found = 0
    for node in range(1, count + 1):
        if parent[node] == node:
            found += 1
            number[node] = found
    for row in range(height):
        for column in range(width):
            if parts[row, column] > 0:
                parts[row, column] = number[find_root(parent, parts[row, column])]
    return parts


@njit
def pixels_by_label(
    labels: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of each label, one label after the other.

    Returns
    -------
    pixels : ndarray of int32, shape (n, 2)
        Row and column.
    offsets : ndarray of int64, shape (size + 1,)
        Label ``i`` has ``pixels[offsets[i]:offsets[i + 1]]``; label 0 has none.
    outline, outline_offsets : ndarrays
        The same of the pixels with one of the four neighbours outside the label.
    """
    height, width = labels.shape
    offsets = np.zeros(size + 1, np.int64)
    outline_offsets = np.zeros(size + 1, np.int64)
    on_outline = np.zeros((height, width), np.bool_)
    for row in range(height):
        for column in range(width):
            label = labels[row, column]
            if label == 0:
                continue
            offsets[label + 1] += 1
            inside = 0 < row < height - 1 and 0 < column < width - 1
            if not (
                inside
                and labels[row - 1, column] == label
                and labels[row + 1, column] == label
                and labels[row, column - 1] == label
                and labels[row, column + 1] == label
            ):
                on_outline[row, column] = True
                outline_offsets[label + 1] += 1
    for label in range(size):
        offsets[label + 1] += offsets[label]
        outline_offsets[label + 1] += outline_offsets[label]
    pixels = np.empty((offsets[size], 2), np.int32)
    outline = np.empty((outline_offsets[size], 2), np.int32)
    place, outline_place = offsets.copy(), outline_offsets.copy()
    for row in range(height):
        for column in range(width):
            label = labels[row, column]
            if label == 0:
                continue
            pixels[place[label], 0] = row
            pixels[place[label], 1] = column
            place[label] += 1
            if on_outline[row, column]:
                outline[outline_place[label], 0] = row
                outline[outline_place[label], 1] = column
                outline_place[label] += 1
    return pixels, offsets, outline, outline_offsets


@njit
def _farthest(
    pixels: np.ndarray,
    outline: np.ndarray,
    inside_of: int,
    labels: np.ndarray,
    reached: np.int64,
    limit: np.int64,
) -> np.int64:
    """Raise ``reached`` to the largest squared distance of a pixel to an object.

    The nearest pixel of an object to one outside of it lies on its outline; pixels that the
    object covers are at distance 0. Stops early once ``limit`` is reached.
    """
    for i in range(len(pixels)):
        row, column = pixels[i]
        if labels[row, column] == inside_of:
            continue
        nearest = np.int64(2**62)
        for j in range(len(outline)):
            dy, dx = np.int64(outline[j, 0] - row), np.int64(outline[j, 1] - column)
            nearest = min(nearest, dy * dy + dx * dx)
            if nearest <= reached:
                break
        reached = max(reached, nearest)
        if reached >= limit:
            break
    return reached


@njit
def _boxes(pixels: np.ndarray, offsets: np.ndarray, size: int) -> np.ndarray:
    """First and last row and column of each label, shape (size, 4)."""
    boxes = np.zeros((size, 4), np.int64)
    for label in range(1, size):
        of_label = pixels[offsets[label] : offsets[label + 1]]
        if len(of_label):
            boxes[label, 0], boxes[label, 1] = of_label[0, 0], of_label[-1, 0]
            boxes[label, 2], boxes[label, 3] = of_label[:, 1].min(), of_label[:, 1].max()
    return boxes


@njit
def hausdorff_to_partners(
    own: np.ndarray, other: np.ndarray, partner: np.ndarray, own_size: int, other_size: int
) -> np.ndarray:
    """Squared Hausdorff distance of each object to its matched object in another label map.

    Parameters
    ----------
    own, other : ndarray of int32, shape (h, w)
        Label maps with at least one object each.
    partner : ndarray of int64, shape (own_size,)
        Label in ``other`` for each label in ``own``; 0 asks for the object at least distance.
    own_size, other_size : int
        Largest label of each, plus one.

    Returns
    -------
    ndarray of int64, shape (own_size,)
    """
    pixels, offsets, edge, edge_offsets = pixels_by_label(own, own_size)
    pixels_2, offsets_2, edge_2, edge_offsets_2 = pixels_by_label(other, other_size)
    boxes, boxes_2 = _boxes(pixels, offsets, own_size), _boxes(pixels_2, offsets_2, other_size)
    result = np.zeros(own_size, np.int64)
    bound = np.empty(other_size, np.int64)
    for label in range(1, own_size):
        here = pixels[offsets[label] : offsets[label + 1]]
        edge_here = edge[edge_offsets[label] : edge_offsets[label + 1]]
        if not len(here):
            continue
        if partner[label] > 0:
            candidates = np.full(1, partner[label])
        else:
            # The distance of two objects is at least that of the sides of their boxes, so
            # objects are tried in the order of that bound until it exceeds the best found.
            for there in range(other_size):
                reach = np.abs(boxes[label] - boxes_2[there]).max()
                exists = offsets_2[there + 1] > offsets_2[there]
                bound[there] = reach * reach if exists else np.int64(2**62)
            candidates = np.argsort(bound)
        best = np.int64(2**62)
        for there in candidates:
            if partner[label] == 0 and bound[there] >= best:
                break
            edge_there = edge_2[edge_offsets_2[there] : edge_offsets_2[there + 1]]
            reached = _farthest(here, edge_there, there, other, np.int64(0), best)
            if reached < best:
                all_there = pixels_2[offsets_2[there] : offsets_2[there + 1]]
                reached = _farthest(all_there, edge_here, label, own, reached, best)
            best = min(best, reached)
        result[label] = best
    return result
