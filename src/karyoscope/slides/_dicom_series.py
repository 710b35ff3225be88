"""Files of DICOM slides, grouped into series."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from karyoscope.core.optional import load
from karyoscope.slides._openslide import openslide
from karyoscope.slides.scenes import Scene


@dataclass
class Series:
    """One slide among DICOM files: its name, the size of its largest level, and its files."""

    name: str = ""
    size: tuple[int, int] = (0, 0)
    files: list[Path] = field(default_factory=list)

    @property
    def scene(self) -> Scene:
        """The series as one of the images of a folder."""
        return Scene(self.name, *self.size)

    def add(self, file: Path, name: str, size: tuple[int, int]) -> None:
        """Count a file in."""
        self.files.append(file)
        self.name = self.name or name
        self.size = max(self.size, size, key=lambda pair: pair[0] * pair[1])


def series_by_openslide(files: Iterable[Path]) -> list[Series]:
    """Series as OpenSlide groups them; a file that it cannot open is one of its own."""
    found: dict[str, Series] = {}
    for file in files:
        uid, name, size = str(file), "", (0, 0)
        try:
            with openslide.OpenSlide(file) as slide:
                uid = slide.properties.get("dicom.SeriesInstanceUID", uid)
                name = slide.properties.get("dicom.SeriesDescription", "")
                size = slide.dimensions
        except openslide.OpenSlideError:
            pass
        found.setdefault(uid, Series()).add(file, name, size)
    return list(found.values())


def series_by_header(folder: Path) -> list[Series]:
    """Series by the headers of the files of a folder; needs ``karyoscope[slides]``."""
    pydicom = load("slides", "pydicom", "reading DICOM")
    tags = ["SeriesInstanceUID", "SeriesDescription", "TotalPixelMatrixColumns"]
    tags += ["TotalPixelMatrixRows"]
    found: dict[str, Series] = {}
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            header = pydicom.dcmread(file, specific_tags=tags)
            uid = str(header.SeriesInstanceUID)
        except (pydicom.errors.InvalidDicomError, AttributeError):
            continue
        width, height = (int(header.get(tag, 0) or 0) for tag in tags[2:])
        name = str(header.get("SeriesDescription", "") or "")
        found.setdefault(uid, Series()).add(file, name, (width, height))
    return list(found.values())
