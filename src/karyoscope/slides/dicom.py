"""DICOM whole slide images that OpenSlide does not read, through wsidicom."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import load
from karyoscope.core.pixels import to_rgb
from karyoscope.slides._dicom_series import series_by_header
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
        """Whether a file has the mark of DICOM at byte 128, or a folder has such files."""
        return head[128:132] == b"DICM" or (path.is_dir() and any(path.glob("*.dcm")))

    def _open(self) -> None:
        assert self.path is not None
        wsidicom = load("slides", "wsidicom", f"{self.path}: reading this DICOM file")
        files = self._files(self.path)
        try:
            self._slide = wsidicom.WsiDicom.open(files)
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

    def _files(self, path: Path) -> list[Path]:
        """Files of the series that a file belongs to, or of the one to read in a folder."""
        series = series_by_header(path if path.is_dir() else path.parent)
        if path.is_file():
            return next((one.files for one in series if path in one.files), [path])
        if not series:
            raise KaryoscopeError(f"{path} holds no DICOM slide")
        return series[self._choose([one.scene for one in series])].files

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
