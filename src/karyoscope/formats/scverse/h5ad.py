"""AnnData in HDF5, for scanpy and squidpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import load
from karyoscope.formats.base import Writer
from karyoscope.formats.scverse.anndata import AnnDataTable


class H5ADWriter(Writer):
    """``.h5ad`` with the nuclei as observations; see :class:`AnnDataTable`."""

    name = "h5ad"
    about = "AnnData with positions, probabilities and a thumbnail"
    opens_in = "scanpy, squidpy, R (anndata, zellkonverter)"
    needs = ("spatial", "h5py")
    suffix = ".h5ad"

    _store: _HDF5 | None = None

    def _open(self) -> None:
        self._store = _HDF5(load(*self.needs, f"format {self.name!r}"), self.partial)
        self._table = AnnDataTable(self._store, self.context)
        self._store.check()

    def _write(self, nuclei: Nuclei) -> None:
        assert self._store is not None
        self._table.write(nuclei)
        self._store.check()

    def _finish(self) -> None:
        assert self._store is not None
        self._table.finish()
        if self.context.read is not None:
            self._table.add_picture()
        self._store.close()
        self._store.check()

    def _release(self) -> None:
        if self._store is not None:
            self._store.close()


class _PatientFile:
    """A file in which every write seems to succeed; the first error is kept.

    When a write fails the HDF5 library can neither flush nor close the file any more, and may
    crash the process later. So it never hears of it.
    """

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._file = path.open("w+b")

    def write(self, data: memoryview) -> int:
        self._try(self._file.write, data)
        return len(data)

    def read(self, size: int = -1) -> bytes:
        return self._try(self._file.read, size) or b""

    def readinto(self, data: memoryview) -> int:
        return self._try(self._file.readinto, data) or 0

    def seek(self, offset: int, whence: int = 0) -> int:
        # Seeking flushes the buffer, which may fail as well.
        return self._try(self._file.seek, offset, whence) or 0

    def tell(self) -> int:
        return self._file.tell()

    def truncate(self, size: int) -> int:
        self._try(self._file.truncate, size)
        return size

    def flush(self) -> None:
        self._try(self._file.flush)

    def close(self) -> None:
        self._try(self._file.close)

    def _try(self, action: Callable[..., Any], *arguments: Any) -> Any:
        if self.error is None or action == self._file.close:
            try:
                return action(*arguments)
            except OSError as error:
                self.error = self.error or error
        return None


class _HDF5:
    """A :class:`Store` in an HDF5 file."""

    def __init__(self, h5py: Any, path: Path) -> None:
        self._disk = _PatientFile(path)
        self.file = h5py.File(self._disk, "w")
        self._string = h5py.string_dtype()

    def check(self) -> None:
        """Raise what went wrong with the file, if anything did."""
        if self._disk.error is not None:
            raise self._disk.error

    def close(self) -> None:
        """Complete the file; may be called twice."""
        self.file.close()
        self._disk.close()

    def group(self, path: str, attributes: Mapping[str, Any]) -> None:
        group = self.file.require_group(path or "/")
        for key, value in attributes.items():
            # A list of names needs a type of its own, or an empty one has none.
            group.attrs[key] = np.array(value, self._string) if isinstance(value, list) else value

    def array(
        self, path: str, shape: tuple[int, ...], dtype: Any, attributes: Mapping[str, Any]
    ) -> None:
        created = self.file.create_dataset(
            path,
            shape=(0, *shape[1:]),
            maxshape=(None, *shape[1:]),
            chunks=shape,
            dtype=self._string if dtype is str else dtype,
            compression="gzip",
            compression_opts=1,
        )
        created.attrs.update(attributes)

    def append(self, path: str, rows: np.ndarray | list[str]) -> None:
        array = self.file[path]
        start = len(array)
        array.resize(start + len(rows), axis=0)
        if len(rows):
            array[start:] = rows

    def text(self, path: str, value: str, attributes: Mapping[str, Any]) -> None:
        self.file.create_dataset(path, data=value, dtype=self._string).attrs.update(attributes)

    def whole(self, path: str, values: Any, attributes: Mapping[str, Any]) -> None:
        options = {"compression": "gzip", "compression_opts": 1} if np.ndim(values) else {}
        self.file.create_dataset(path, data=values, **options).attrs.update(attributes)
