"""Reading the image and ``.mat`` files that datasets are published as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import scipy.io

from karyoscope.errors import KaryoscopeError

IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".webp", ".jpg", ".jpeg", ".bmp")


def image_by_stem(folder: Path) -> dict[str, Path]:
    """Image files of a folder by stem; a loader accepts any image suffix beside the stem."""
    files: dict[str, Path] = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                files.setdefault(path.stem, path)
    return files


def read_rgb(path: Path) -> np.ndarray:
    """Read an 8-bit image file as (h, w, 3) uint8 RGB."""
    data = np.fromfile(path, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if data.size else None
    if image is None:
        raise KaryoscopeError(f"{path} is not a readable image")
    return image


def read_mat(path: Path, *keys: str) -> dict[str, Any]:
    """Read named arrays of a MATLAB file; a missing key or a damaged file is an error."""
    try:
        content = scipy.io.loadmat(path)
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise KaryoscopeError(f"{path} is not a readable MATLAB file: {error}") from error
    missing = [key for key in keys if key not in content]
    if missing:
        raise KaryoscopeError(f"{path} lacks {', '.join(missing)}")
    return content


def class_lookup(ids: np.ndarray, classes: np.ndarray, largest: int) -> np.ndarray:
    """Table of class by id, from two parallel arrays; ids not listed get class 0."""
    ids = np.asarray(ids, np.int64).ravel()
    table = np.zeros(max(int(largest), int(ids.max(initial=0))) + 1, np.uint8)
    table[ids] = np.asarray(classes).ravel()
    table[0] = 0
    return table
