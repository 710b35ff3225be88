"""Made-up nuclei, and real ones from annotated label maps."""

import cv2
import numpy as np
import shapely

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy

WIDTH, HEIGHT, MPP = 600, 400, 0.5


def make_nuclei(count: int, width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> Nuclei:
    """Star-shaped nuclei that do not touch, ids shuffled, one class missing, NaN in a column."""
    rng = np.random.default_rng(seed)
    taxonomy = Taxonomy.load("lizard")
    pitch = 20
    across = width // pitch
    assert count <= across * (height // pitch)
    cell = rng.permutation(across * (height // pitch))[:count]
    x, y = (cell % across + 0.5) * pitch, (cell // across + 0.5) * pitch
    lengths = rng.integers(6, 24, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    turn = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    angle = 2 * np.pi * turn / np.repeat(lengths, lengths)
    radius = rng.uniform(3, 9, offsets[-1])
    vertices = np.stack(
        [
            np.repeat(x, lengths) + radius * np.cos(angle),
            np.repeat(y, lengths) + radius * np.sin(angle),
        ],
        1,
    )
    return Nuclei(
        taxonomy,
        MPP,
        rng.permutation(10 * count)[:count] + 1,
        rng.choice([0, 1, 2, 3, 4, 6], count),
        x,
        y,
        rng.uniform(10, 60, count),
        rng.dirichlet(np.ones(len(taxonomy)), count),
        np.round(vertices, 2),
        offsets,
        {"eccentricity": np.where(rng.random(count) < 0.2, np.nan, rng.random(count))},
    )


def read_plain(x: int, y: int, width: int, height: int, mpp: float | None) -> np.ndarray:
    """A plain ground to draw on."""
    return np.full((height, width, 3), (230, 200, 225), np.uint8)


def trace(labels: np.ndarray, classes: np.ndarray, taxonomy: Taxonomy, mpp: float) -> Nuclei:
    """Nuclei of an annotated label map, with OpenCV's outlines."""
    rings, ids, areas = [], [], []
    for value in np.unique(labels[labels > 0]):
        mask = (labels == value).astype(np.uint8)
        found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        ring = max(found, key=len)[:, 0] + 0.5
        if len(ring) >= 3:
            rings.append(ring)
            ids.append(value)
            areas.append(mask.sum() * mpp**2)
    count = len(rings)
    centres = np.array([ring.mean(0) for ring in rings]).reshape(-1, 2)
    return Nuclei(
        taxonomy,
        mpp,
        np.array(ids),
        classes[ids],
        centres[:, 0],
        centres[:, 1],
        np.array(areas),
        np.zeros((count, 0)),
        np.concatenate([np.zeros((0, 2)), *rings]),
        np.cumsum([0, *map(len, rings)]),
    )


def polygons_of(nuclei: Nuclei) -> np.ndarray:
    """Outlines as shapely polygons."""
    return np.array([shapely.Polygon(nuclei.outline(row)) for row in range(len(nuclei))])
