"""Outlines set aside on disk by horizontal band, to be read back from top to bottom.

Blocks arrive in any order, but an image is written row by row. Keeping the outlines instead of
the pixels takes a few hundred bytes per nucleus, whatever the size of the slide.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.formats.context import ExportContext


class OutlineSpool:
    """Ids, classes and outlines of nuclei, kept in a folder by the bands that they touch.

    Parameters
    ----------
    folder : Path
        Created; the caller removes it.
    band_height : int
        Height of a band in pixels of level 0.
    context : ExportContext
        Gives the height of the slide, and the taxonomy and pixel size of what is read. What lies
        above or below the slide goes to the first or last band.
    """

    def __init__(self, folder: Path, band_height: int, context: ExportContext) -> None:
        folder.mkdir()
        self._like = Nuclei.empty(context.taxonomy, context.mpp)
        self._folder = folder
        self._height = band_height
        self._last = (context.size[1] - 1) // band_height

    def add(self, nuclei: Nuclei) -> None:
        """Set a block of nuclei aside."""
        y = nuclei.vertices[:, 1]
        top = np.minimum.reduceat(y, nuclei.offsets[:-1]) // self._height
        bottom = np.maximum.reduceat(y, nuclei.offsets[:-1]) // self._height
        top, bottom = (
            np.clip(top, 0, self._last).astype(int),
            np.clip(bottom, 0, self._last).astype(int),
        )
        for band in range(top.min(), bottom.max() + 1):
            rows = np.flatnonzero((top <= band) & (band <= bottom))
            if len(rows):
                self._append(band, nuclei.take(rows))

    def _append(self, band: int, part: Nuclei) -> None:
        lengths, classes = (a.astype(np.uint32) for a in (np.diff(part.offsets), part.class_id))
        counts = np.array([len(part), len(part.vertices)], np.uint32)
        with self._path(band).open("ab") as file:
            arrays = (counts, part.id, classes, lengths, part.vertices)
            file.write(b"".join(array.tobytes() for array in arrays))

    def read(self, band: int) -> Nuclei:
        """Return the nuclei that touch a band, by ascending id; band 0 is the topmost.

        Only ids, classes and outlines are kept; the other columns are zero.
        """
        path = self._path(band)
        # Every field is four bytes wide.
        data = np.fromfile(path, np.uint32) if path.exists() else np.zeros(0, np.uint32)
        rows, points = [np.zeros((3, 0), np.uint32)], [data[:0]]
        at = 0
        while at < len(data):
            count, vertices = data[at : at + 2].astype(int)
            at += 2
            rows.append(data[at : at + 3 * count].reshape(3, count))
            at += 3 * count
            points.append(data[at : at + 2 * vertices])
            at += 2 * vertices
        found = _outlines(self._like, np.concatenate(rows, 1), np.concatenate(points))
        return found.take(np.argsort(found.id))

    def _path(self, band: int) -> Path:
        return self._folder / f"{band}.outlines"


def _outlines(like: Nuclei, rows: np.ndarray, points: np.ndarray) -> Nuclei:
    ids, classes, lengths = rows
    zeros, nothing = np.zeros(len(ids)), np.zeros((len(ids), 0))
    vertices = points.view(np.float32).reshape(-1, 2)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return Nuclei(
        like.taxonomy, like.mpp, ids, classes, zeros, zeros, zeros, nothing, vertices, offsets
    )
