"""Reading the image, ``.mat`` and ``.npy`` files that datasets are published as."""

from __future__ import annotations

import csv
import io
import pickle
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.io
import tifffile

from karyoscope.core.errors import KaryoscopeError

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".bmp", ".svs")
_TIFF_SUFFIXES = (".svs", ".tif", ".tiff")

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


def image_by_stem(folder: Path) -> dict[str, Path]:
    """Image files of a folder by stem; a loader accepts any image suffix beside the stem."""
    return by_stem(sorted(folder.iterdir())) if folder.is_dir() else {}


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Image files among the paths by stem; of two with one stem, the first counts."""
    files: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            files.setdefault(path.stem, path)
    return files


_NOT_IMAGES = re.compile(r"overlay|mask|label|annotation|^gt", re.IGNORECASE)


def images_under(root: Path) -> dict[str, Path]:
    """Image files at any depth by stem, leaving out folders of overlays, masks and labels."""
    return by_stem(
        path
        for path in sorted(root.rglob("*"))
        if not any(_NOT_IMAGES.search(part) for part in path.relative_to(root).parts[:-1])
    )


def split_of(path: Path, root: Path) -> str:
    """``"train"``, ``"val"`` or ``"test"`` where a folder between root and file is called so."""
    for part in reversed(path.relative_to(root).parts[:-1]):
        for split in ("train", "val", "test"):
            if part.lower().startswith(split):
                return split
    return ""


def pair(
    labels: dict[str, Path], images: dict[str, Path], problems: list[str]
) -> list[tuple[str, Path, Path]]:
    """Match label files to image files by stem.

    Parameters
    ----------
    labels, images : dict of str to Path
        Files by stem.
    problems : list of str
        Gets one line for each file without a partner and each empty file.

    Returns
    -------
    list of (stem, label file, image file)
        Sorted by stem.
    """
    pairs = []
    for stem in sorted(labels.keys() | images.keys()):
        if stem not in images:
            problems.append(f"{labels[stem].name}: no image of that name")
        elif stem not in labels:
            problems.append(f"{images[stem].name}: image without labels")
        else:
            empty = [p for p in (labels[stem], images[stem]) if p.stat().st_size == 0]
            problems += [f"{path.name}: empty file" for path in empty]
            if not empty:
                pairs.append((stem, labels[stem], images[stem]))
    return pairs


def read_rgb(path: Path) -> np.ndarray:
    """Read an 8-bit image file as (h, w, 3) uint8 RGB."""
    if path.suffix.lower() in _TIFF_SUFFIXES:
        image = _read_tiff(path)
    else:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if image is None or image.ndim != 3 or image.shape[2] < 3 or image.dtype != np.uint8:
        raise KaryoscopeError(f"{path}: not a readable 8-bit colour image")
    return np.ascontiguousarray(image[:, :, :3])


def _read_tiff(path: Path) -> np.ndarray | None:
    """First page of a TIFF; OpenCV knows fewer compressions and answers some with black."""
    try:
        image = tifffile.imread(path, key=0)
    except Exception:  # tifffile raises many kinds for a damaged file
        return None
    planes_first = image.ndim == 3 and image.shape[0] in (3, 4) and image.shape[2] > 4
    return np.moveaxis(image, 0, 2) if planes_first else image


def read_plain(path: Path) -> np.ndarray:
    """Read an image file as stored: one or more channels, any bit depth."""
    if path.suffix.lower() in _TIFF_SUFFIXES:
        image = _read_tiff(path)
    else:
        data = np.fromfile(path, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if image is None:
        raise KaryoscopeError(f"{path}: not a readable image")
    return image


def read_mat(path: Path, *keys: str) -> dict[str, Any]:
    """Read named arrays of a MATLAB file; a missing key or a damaged file is an error."""
    try:
        content = scipy.io.loadmat(path)
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise KaryoscopeError(f"{path}: not a readable MATLAB file ({one_line(error)})") from error
    missing = [key for key in keys if key not in content]
    if missing:
        raise KaryoscopeError(f"{path}: lacks {', '.join(missing)}")
    return content


def mat_keys(path: Path) -> set[str]:
    """Names of the arrays in a MATLAB file; empty for a damaged file."""
    try:
        return {name for name, *_ in scipy.io.whosmat(path)}
    except Exception:  # scipy raises many kinds for a damaged file
        return set()


def map_npy(path: Path) -> np.ndarray:
    """Open a ``.npy`` file without reading its contents into memory."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise KaryoscopeError(f"{path}: not a readable array ({one_line(error)})") from error


def read_npy_dict(path: Path) -> dict[str, np.ndarray]:
    """Read a ``.npy`` file that holds a pickled dictionary of arrays.

    Only arrays are unpickled: a file that names any other object is refused, so that a
    downloaded file cannot run code.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(file)
            if shape != () or not dtype.hasobject:
                raise KaryoscopeError(f"{path}: holds no dictionary of arrays")
            content = _ArraysOnly(io.BytesIO(file.read())).load().item()
    except (OSError, ValueError, EOFError, pickle.UnpicklingError, AttributeError) as error:
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
    """The patient where a file is named by its TCGA barcode, else the stem itself."""
    match = _BARCODE.match(stem)
    return match.group() if match else stem
