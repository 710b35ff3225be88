"""Writing images without loss."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import tifffile


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (h, w, 3) RGB, or (h, w) grey of 8 or 16 bits, as PNG; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


def write_label_image(folder: Path, name: str, inst_map: np.ndarray) -> Path:
    """Write a label map as 16-bit PNG, or as 32-bit TIFF where an id needs more."""
    if inst_map.max(initial=0) < 2**16:
        path = folder / f"{name}.png"
        write_png(path, inst_map.astype(np.uint16))
        return path
    path = folder / f"{name}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, inst_map.astype(np.int32), compression="zlib")
    return path


class GrowingArray:
    """A ``.npy`` file written row by row, for arrays whose length is known only at the end.

    Parameters
    ----------
    path : Path
        File to write.
    dtype : dtype
        Type of the elements.
    row_shape : tuple of int
        Shape of one row.
    """

    def __init__(self, path: Path, dtype: type, row_shape: tuple[int, ...]) -> None:
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._rows = 0
        self._file = path.open("wb")
        self._write_header()
        self._start = self._file.tell()

    def extend(self, rows: np.ndarray) -> None:
        """Write rows: an array of shape (n, *row_shape)."""
        if rows.shape[1:] != self._row_shape:
            raise ValueError(f"rows have shape {rows.shape[1:]}, expected {self._row_shape}")
        self._file.write(np.ascontiguousarray(rows, self._dtype).tobytes())
        self._rows += len(rows)

    def __enter__(self) -> GrowingArray:
        return self

    def __exit__(self, *_: object) -> None:
        # NumPy pads headers so that the first axis can grow in place.
        self._file.seek(0)
        self._write_header()
        if self._file.tell() != self._start:
            raise ValueError("the header of the array does not fit in its place")
        self._file.close()

    def _write_header(self) -> None:
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._rows, *self._row_shape),
        }
        np.lib.format.write_array_header_1_0(self._file, header)
