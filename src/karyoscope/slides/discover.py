"""From what a user names (files, folders, globs) to slides."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from karyoscope.slides._openslide import openslide

SUFFIXES = {
    *(".svs", ".tif", ".tiff", ".btf", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu"),
    *(".czi", ".svslide", ".dcm", ".zarr", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".npy"),
}
"""What is taken from a folder; a file that is named itself may have any suffix."""


def find_slides(inputs: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """Expand files, folders and globs.

    A folder gives the images directly in it; hidden files and files of other kinds are skipped.
    A folder of DICOM files is one slide for each series in it. A glob may hold ``**``.

    Parameters
    ----------
    inputs : iterable of str or path
        What the user named.

    Returns
    -------
    slides : list of Path
        Sorted, each once.
    problems : list of str
        One line for each input that gives nothing.
    """
    slides: dict[Path, Path] = {}
    problems = []
    for given in inputs:
        path = Path(given)
        if path.exists():
            nothing = f"{given} holds no slide"
            try:
                found = _in_folder(path) if _is_plain_folder(path) else [path]
            except OSError as error:
                found, nothing = [], f"{given} cannot be read: {error.strerror}"
        elif glob.has_magic(str(given)):
            matches = map(Path, glob.glob(str(given), recursive=True))
            found = [match for match in matches if _is_slide(match)]
            nothing = f"{given} matches no slide"
        else:
            found, nothing = [], f"{given} does not exist"
        if not found:
            problems.append(nothing)
        for slide in found:
            slides.setdefault(slide.resolve(), slide)
    return sorted(slides.values()), problems


def _is_plain_folder(path: Path) -> bool:
    return path.is_dir() and path.suffix.lower() not in SUFFIXES


def _in_folder(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.iterdir()) if _is_slide(path)]
    dicom = [path for path in found if path.suffix.lower() == ".dcm"]
    if not dicom or openslide is None:
        return found
    return [path for path in found if path not in dicom] + _one_per_series(folder, dicom)


def _one_per_series(folder: Path, files: list[Path]) -> list[Path]:
    """The folder where its files are one slide, else the first file of each series."""
    first: dict[str, Path] = {}
    for file in files:
        try:
            with openslide.OpenSlide(file) as slide:
                series = slide.properties.get("dicom.SeriesInstanceUID", str(file))
        except openslide.OpenSlideError:
            series = str(file)
        first.setdefault(series, file)
    return [folder] if len(first) == 1 else list(first.values())


def _is_slide(path: Path) -> bool:
    if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
        return False
    return path.is_file() or path.suffix.lower() == ".zarr"
