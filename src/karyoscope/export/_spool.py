"""Outlines set aside on disk by horizontal band, to be read back in order of position.

Blocks arrive in any order, but an image is written from top to bottom. Keeping the outlines
instead of the pixels takes a few hundred bytes a nucleus, whatever the size of the slide.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from karyoscope.nuclei import Nuclei


class OutlineSpool:
    """Ids, classes and outlines of nuclei, kept in a folder by the bands that they touch.

    Parameters
    ----------
    folder : Path
        Created; the caller removes it.
    band_height : int
        Height of a band in pixels of level 0.
    bands : int
        Number of bands; what lies above or below goes to the first or last.
    """

    def __init__(self, folder: Path, band_height: int, bands: int) -> None:
        folder.mkdir()
        self._folder = folder
        self._height = band_height
        self._bands = bands

    def add(self, nuclei: Nuclei) -> None:
        """Set a block of nuclei aside."""
        y = nuclei.vertices[:, 1]
        last = self._bands - 1
        top = np.minimum.reduceat(y, nuclei.offsets[:-1]) // self._height
        bottom = np.maximum.reduceat(y, nuclei.offsets[:-1]) // self._height
        top, bottom = np.clip(top, 0, last).astype(int), np.clip(bottom, 0, last).astype(int)
        for band in range(top.min(), bottom.max() + 1):
            rows = np.flatnonzero((top <= band) & (band <= bottom))
            if len(rows):
                self._append(band, nuclei.take(rows))

    def _append(self, band: int, part: Nuclei) -> None:
        with self._path(band).open("ab") as file:
            for array in (part.id, part.class_id, np.diff(part.offsets), part.vertices):
                np.save(file, array)

    def read(self, band: int, like: Nuclei) -> Nuclei:
        """Nuclei that touch a band, by ascending id.

        Parameters
        ----------
        band : int
            0 is the topmost.
        like : Nuclei
            Gives taxonomy and pixel size.

        Returns
        -------
        Nuclei
            With ids, classes and outlines; the other columns are zero.
        """
        path = self._path(band)
        if not path.exists():
            return like.take([])
        parts: list[list[np.ndarray]] = [[], [], [], []]
        size = path.stat().st_size
        with path.open("rb") as file:
            while file.tell() < size:
                for part in parts:
                    part.append(np.load(file))
        ids, classes, lengths, vertices = (np.concatenate(part) for part in parts)
        zeros = np.zeros(len(ids))
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        nothing = np.zeros((len(ids), 0))
        found = Nuclei(
            like.taxonomy, like.mpp, ids, classes, zeros, zeros, zeros, nothing, vertices, offsets
        )
        return found.take(np.argsort(ids))

    def _path(self, band: int) -> Path:
        return self._folder / f"{band}.npy"
