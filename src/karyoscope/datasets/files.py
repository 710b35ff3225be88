"""Finding the files that datasets are published as, and reading ``.mat``, ``.npy`` and tables."""

from __future__ import annotations

import csv
import filecmp
import io
import math
import pickle
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.io

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets.mat_guard import numeric_arrays

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".bmp", ".svs")

_MOST_VALUES = 500_000_000

# What NumPy itself needs to rebuild arrays; everything else in a pickle could run code.
_HARMLESS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
}


FilesByStem = dict[str, list[Path]]
"""Files by the stem of their image; of most stems there is one."""


def image_by_stem(folder: Path) -> FilesByStem:
    """Image files of a folder by stem; a loader accepts any image suffix beside the stem."""
    return by_stem(sorted(folder.iterdir())) if folder.is_dir() else {}


def by_stem(paths: Iterable[Path], suffixes: Collection[str] = IMAGE_SUFFIXES) -> FilesByStem:
    """Group the files that have one of the suffixes, such as those of images, by stem.

    Parameters
    ----------
    paths : iterable of Path
        Files of any kind.
    suffixes : collection of str
        Suffixes of the files that are taken, in lower case; others are left out.
    """
    return grouped(path for path in paths if path.suffix.lower() in suffixes)


def grouped(
    paths: Iterable[Path], stem_of: Callable[[Path], str] = lambda path: path.stem
) -> FilesByStem:
    """Paths by stem, sorted, each once."""
    files: FilesByStem = {}
    for path in sorted(set(paths)):
        files.setdefault(stem_of(path), []).append(path)
    return files


def only(files: Sequence[Path], what: str) -> Path:
    """Return the file of an image; of several with the same content, the first.

    Raises
    ------
    KaryoscopeError
        If files of different content have the name of one image.
    """
    first = files[0]
    for other in files[1:]:
        if not filecmp.cmp(first, other, shallow=False):
            raise KaryoscopeError(
                f"{first} and {other} have the same name, and both are the {what}; keep one of"
                " them, or rename one together with the files that belong to it"
            )
    return first


_NOT_IMAGES = re.compile(r"overlay|mask|label|annotation|^gt", re.IGNORECASE)


def images_under(root: Path) -> FilesByStem:
    """Image files at any depth by stem, leaving out folders of overlays, masks and labels."""
    return by_stem(
        path
        for path in sorted(root.rglob("*"))
        if not any(_NOT_IMAGES.search(part) for part in path.relative_to(root).parts[:-1])
    )


def split_of(path: Path, root: Path) -> str:
    """``"train"``, ``"val"`` or ``"test"`` if a folder between root and file has this name."""
    for part in reversed(path.relative_to(root).parts[:-1]):
        for split in ("train", "val", "test"):
            if part.lower().startswith(split):
                return split
    return ""


def pair(
    labels: Mapping[str, Sequence[Path]], images: Mapping[str, Sequence[Path]], problems: list[str]
) -> list[tuple[str, Path, Path]]:
    """Match label files to image files by stem.

    Parameters
    ----------
    labels, images : mapping of str to sequence of Path
        Files by stem.
    problems : list of str
        Receives one line for each label file without an image, each image without labels and
        each empty file.

    Returns
    -------
    list of (stem, label file, image file)
        Sorted by stem.

    Raises
    ------
    KaryoscopeError
        If different images, or different label files, have one stem.
    """
    pairs = []
    for stem in sorted(labels.keys() | images.keys()):
        if stem not in images:
            problems.append(f"{labels[stem][0].name}: no image of that name")
        elif stem not in labels:
            problems.append(f"{images[stem][0].name}: image without labels")
        else:
            label, image = only(labels[stem], "labels"), only(images[stem], "image")
            empty = [p for p in (label, image) if p.stat().st_size == 0]
            problems += [f"{path.name}: empty file" for path in empty]
            if not empty:
                pairs.append((stem, label, image))
    return pairs


def read_mat(path: Path, *keys: str) -> dict[str, Any]:
    """Read named arrays of a MATLAB file; a missing key or a damaged file is an error."""
    try:
        names = numeric_arrays(path)
        _refuse_large_mat(path)
        content = scipy.io.loadmat(path, variable_names=names)
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise KaryoscopeError(f"{path}: not a readable MATLAB file ({one_line(error)})") from error
    missing = [key for key in keys if key not in content]
    if missing:
        raise KaryoscopeError(f"{path}: lacks {', '.join(missing)}")
    return content


def _refuse_large_mat(path: Path) -> None:
    """Refuse arrays that unpack to more than an image with labels has."""
    values = sum(math.prod(shape) for _, shape, _ in scipy.io.whosmat(path))
    if values > _MOST_VALUES:
        raise ValueError(f"its arrays have {values:,} values")


def mat_keys(path: Path) -> set[str]:
    """Names of the arrays in a MATLAB file; empty for a damaged file."""
    try:
        numeric_arrays(path)
        return {name for name, *_ in scipy.io.whosmat(path)}
    except Exception:  # scipy raises many kinds for a damaged file
        return set()


def map_npy(path: Path) -> np.ndarray:
    """Open a ``.npy`` file without reading its contents into memory."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises many kinds
        raise KaryoscopeError(f"{path}: not a readable array ({one_line(error)})") from error


def is_npy_dict(path: Path) -> bool:
    """Whether a ``.npy`` file holds a pickled object, by its header."""
    try:
        with path.open("rb") as file:
            return _npy_header(file)[1].hasobject
    except Exception:  # a damaged header raises many kinds
        return False


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    first = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def read_npy_dict(path: Path) -> dict[str, np.ndarray]:
    """Read a ``.npy`` file that holds a pickled dictionary of arrays.

    Only arrays are unpickled: a file that names any other object is refused, so that a
    downloaded file cannot run code.
    """
    try:
        with path.open("rb") as file:
            shape, dtype = _npy_header(file)
            if shape != () or not dtype.hasobject:
                raise KaryoscopeError(f"{path}: holds no dictionary of arrays")
            content = _ArraysOnly(io.BytesIO(file.read())).load().item()
    except KaryoscopeError:
        raise
    except Exception as error:  # a damaged header or pickle raises many kinds
        raise KaryoscopeError(f"{path}: not a readable array ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise KaryoscopeError(f"{path}: holds no dictionary of arrays")
    return content


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _HARMLESS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not an array")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_table(path: Path, *columns: str) -> list[dict[str, str]]:
    """Rows of a CSV file, which must have the columns; none where there is no such file."""
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [c for c in columns if c not in (reader.fieldnames or [])]
            if missing:
                raise KaryoscopeError(f"{path}: lacks the column {missing[0]}")
            return list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise KaryoscopeError(f"{path}: not a readable table ({one_line(error)})") from error


def one_line(error: Exception) -> str:
    """The message of an exception on one line."""
    return " ".join(str(error).split()) or type(error).__name__


_BARCODE = re.compile(r"TCGA-\w{2}-\w{4}")


def patient_of(stem: str) -> str:
    """Patient of a file that is named by its TCGA barcode, otherwise the stem itself."""
    match = _BARCODE.match(stem)
    return match.group() if match else stem
