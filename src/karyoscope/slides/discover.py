"""From what a user names (files, folders, globs) to slides."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from karyoscope.slides._dicom_series import series_by_openslide
from karyoscope.slides._openslide import openslide

SUFFIXES = {
    *(".svs", ".tif", ".tiff", ".btf", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu"),
    *(".czi", ".svslide", ".dcm", ".zarr", ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".npy"),
}
"""What is taken from a folder; a file that is named itself may have any suffix."""


_MOST_LOOKED_AT = 1000


def find_slides(
    inputs: Iterable[str | Path], recursive: bool = False
) -> tuple[list[Path], list[str]]:
    """Expand files, folders and globs.

    A folder gives the images directly in it; hidden files and files of other kinds are skipped.
    A folder of DICOM files is one slide for each series in it. A glob may hold ``**``.

    Parameters
    ----------
    inputs : iterable of str or path
        Paths, folders and globs that the user gave.
    recursive : bool
        Take the images of the folders in a folder, too.

    Returns
    -------
    slides : list of Path
        Sorted, each name once; links to one file are slides of their own.
    problems : list of str
        One line for each input that gives nothing.
    """
    slides: dict[str, Path] = {}
    problems = []
    for given in inputs:
        try:
            found, nothing = _named_by(given, recursive)
        except (OSError, ValueError) as error:  # a folder that is not ours, or a NUL in a name
            reason = getattr(error, "strerror", None) or error
            found, nothing = [], f"{given} cannot be read: {reason}"
        if not found:
            problems.append(nothing)
        for slide in found:
            # Not resolved: two links to one file are two names, and two slides.
            slides.setdefault(os.path.abspath(slide), slide)
    return sorted(slides.values()), problems


def _named_by(given: str | Path, recursive: bool) -> tuple[list[Path], str]:
    """Slides that an input names, and the line where there are none."""
    path = Path(given)
    if path.is_symlink() and not path.exists():
        return [], f"{given} is a link to {path.readlink()}, which is not there"
    if path.exists():
        if not _is_plain_folder(path):
            return [path], ""
        folders = list(_folders(path)) if recursive else [path]
        found = [slide for folder in folders for slide in slides_in_folder(folder)]
        deeper = "" if found or recursive else _deeper(path)
        return found, f"{given} holds no slide{deeper}"
    if glob.has_magic(str(given)):
        matches = map(Path, glob.glob(str(given), recursive=True))
        return [match for match in matches if _is_slide(match)], f"{given} matches no slide"
    return [], f"{given} does not exist"


def _is_plain_folder(path: Path) -> bool:
    return path.is_dir() and path.suffix.lower() not in SUFFIXES


def _folders(path: Path) -> Iterator[Path]:
    """A folder and all in it, without hidden ones, links and those that are slides."""
    waiting = [path]
    while waiting:
        folder = waiting.pop()
        yield folder
        inner = [
            one
            for one in sorted(folder.iterdir(), reverse=True)
            if not one.name.startswith(".") and not one.is_symlink() and _is_plain_folder(one)
        ]
        waiting += [one for one in inner if not _belongs_to_slide(one)]


def _belongs_to_slide(folder: Path) -> bool:
    """Whether a folder holds the data of the MRXS file beside it."""
    return folder.with_name(folder.name + ".mrxs").exists()


def _deeper(path: Path) -> str:
    """A hint where only folders in a folder hold slides."""
    for inner in islice(_folders(path), 1, _MOST_LOOKED_AT):
        if any(map(_is_slide, inner.iterdir())):
            return f", but {inner.relative_to(path)} in it does: add --recursive"
    return ""


def slides_in_folder(folder: Path) -> list[Path]:
    """Return the slides of one folder, of each DICOM series one file."""
    found = [path for path in sorted(folder.iterdir()) if _is_slide(path)]
    dicom = [path for path in found if path.suffix.lower() == ".dcm"]
    if not dicom or openslide is None:
        return found
    return [path for path in found if path not in dicom] + _one_per_series(folder, dicom)


def _one_per_series(folder: Path, files: list[Path]) -> list[Path]:
    """The folder where its files are one slide, else the first file of each series."""
    series = series_by_openslide(files)
    return [folder] if len(series) == 1 else [one.files[0] for one in series]


def _is_slide(path: Path) -> bool:
    if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
        return False
    # A link without a file is one too: it is named when it cannot be read.
    return path.is_file() or path.is_symlink() or path.suffix.lower() == ".zarr"
