"""The arrays of the CoNIC challenge: instance map and class map, and counts per class."""

from __future__ import annotations

import csv
from typing import IO

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.formats.base import Writer, close_quietly
from karyoscope.formats.images.spool import OutlineSpool

_BAND = 256
_MOST_PIXELS = 1 << 28


class ConicWriter(Writer):
    """``.conic.npy``: int32, (1, h, w, 2), instance map and class map; ``.conic.csv``: counts.

    The shape is that of the challenge's ``labels.npy`` with one image, so that its scoring script
    reads it. The counts are over the whole image.
    """

    name = "conic"
    about = "instance and class map, and counts, as the CoNIC challenge takes them"
    opens_in = "NumPy"
    suffix = ".conic.npy"
    companions = (".conic.csv",)

    _file: IO[bytes] | None = None

    def _open(self) -> None:
        width, height = self.context.size
        if width * height > _MOST_PIXELS:
            raise KaryoscopeError(
                f"format 'conic' is for images, and {self.context.slide} has {width} x {height}"
                " pixels; use the format 'labels' for slides"
            )
        self._file = self.partial.open("wb")
        self._spool = OutlineSpool(self.scratch, _BAND, self.context)
        self._counts = np.zeros(256, np.int64)

    def _write(self, nuclei: Nuclei) -> None:
        self._spool.add(nuclei)
        self._counts += np.bincount(nuclei.class_id, minlength=256)

    def _finish(self) -> None:
        assert self._file is not None
        width, height = self.context.size
        header = {"descr": "<i4", "fortran_order": False, "shape": (1, height, width, 2)}
        np.lib.format.write_array_header_1_0(self._file, header)
        for band, top in enumerate(range(0, height, _BAND)):
            nuclei = self._spool.read(band)
            labels = nuclei.label_image(width, min(_BAND, height - top), 0, top)
            ids = np.concatenate([[0], nuclei.id])
            classes = np.concatenate([[0], nuclei.class_id])
            pair = np.stack([labels, classes[np.searchsorted(ids, labels)]], -1)
            self._file.write(pair.astype("<i4").tobytes())
        self._file.close()
        classes_of = self.context.taxonomy
        with self.companion(0).open("w", newline="") as table:
            rows = csv.writer(table, lineterminator="\n")
            rows.writerow(classes_of.names)
            rows.writerow([int(self._counts[i]) for i in classes_of.ids])

    def _release(self) -> None:
        if self._file is not None:
            close_quietly(self._file)
