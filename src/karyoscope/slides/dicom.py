"""DICOM whole slide images that OpenSlide does not read, through wsidicom."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import load
from karyoscope.slides._pixels import to_rgb
from karyoscope.slides._sniff import reason
from karyoscope.slides.base import Slide
from karyoscope.slides.grid import pyramid_level
from karyoscope.slides.scale import RecordedScale


class DicomSlide(Slide):
    """A DICOM slide: a folder of instances, or one of the files of a series.

    OpenSlide is asked first, since it is part of every installation; this reader knows more
    transfer syntaxes and concatenated instances, and needs ``karyoscope[slides]``.
    """

    format: ClassVar[str] = "dicom"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """By the mark at byte 128; a folder by the files in it."""
        return head[128:132] == b"DICM" or (path.is_dir() and any(path.glob("*.dcm")))

    def _open(self) -> None:
        assert self.path is not None
        wsidicom = load("slides", "wsidicom", f"{self.path}: reading this DICOM file")
        try:
            self._slide = wsidicom.WsiDicom.open(_series_of(self.path))
            self._levels = list(self._slide.levels)
        except Exception as error:  # wsidicom and pydicom raise many kinds
            raise KaryoscopeError(
                f"{self.path} is not a readable DICOM slide: {reason(error)}"
            ) from error
        size = self._levels[0].size
        self.levels = [
            pyramid_level((size.width, size.height), level.size.width, level.size.height)
            for level in self._levels
        ]

    def _recorded_scale(self) -> RecordedScale:
        mpp = self._levels[0].mpp
        return RecordedScale((float(mpp.width), float(mpp.height)))

    def _read_level(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        try:
            region = self._slide.read_region((x, y), self._levels[level].level, (width, height))
        except Exception as error:  # each codec has its own kinds
            raise KaryoscopeError(
                f"{self.path}: damaged near x {x}, y {y}: {reason(error)}"
            ) from error
        return to_rgb(np.array(region))

    def close(self) -> None:
        """Close the files."""
        self._slide.close()


def _series_of(path: Path) -> list[Path]:
    """Files of the series that a file, or the first file of a folder, belongs to."""
    pydicom = load("slides", "pydicom", "reading DICOM")
    files = sorted(p for p in (path if path.is_dir() else path.parent).iterdir() if p.is_file())
    series: dict[Path, str] = {}
    for file in files:
        try:
            header = pydicom.dcmread(file, specific_tags=["SeriesInstanceUID"])
            series[file] = str(header.SeriesInstanceUID)
        except (pydicom.errors.InvalidDicomError, AttributeError):
            continue
    wanted = series.get(path) if path.is_file() else next(iter(series.values()), None)
    return [file for file, uid in series.items() if uid == wanted]
