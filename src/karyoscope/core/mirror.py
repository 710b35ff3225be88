"""A folder of results elsewhere, such as ``s3://bucket/out``, and its image on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from karyoscope.core.addresses import file_system, in_one_line
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.core.remote_cache import cache_folder


class Mirror:
    """Results are written on this machine and then copied to an address.

    Parameters
    ----------
    address : str
        Folder.

    Attributes
    ----------
    folder : Path
        Folder that the results are written to.

    Raises
    ------
    KaryoscopeError
        If nothing can be written there, as under ``https://``.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        digest = hashlib.sha256(self.address.encode()).hexdigest()[:24]
        self.folder = cache_folder("out") / digest
        self._system, self._path = file_system(self.address)
        if address.startswith(("http://", "https://")):
            raise KaryoscopeError(
                f"{address}: no results can be written there; choose another --out"
            )

    def names(self) -> list[str]:
        """Names of the files and folders that are there; none where the folder is missing.

        Raises
        ------
        KaryoscopeError
            If they cannot be listed.
        """
        with in_one_line(self.address, "read"):
            try:
                found = self._system.ls(self._path, detail=False)
            except FileNotFoundError:
                return []
            return [path.rstrip("/").rpartition("/")[2] for path in found]

    def pull(self, names: Iterable[str]) -> None:
        """Fetch files, or folders, that are not here; those that are not there are left out.

        Raises
        ------
        KaryoscopeError
            If they cannot be read.
        """
        wanted = [name for name in names if not (self.folder / name).exists()]
        there = set(self.names()) if wanted else set()
        for name in wanted:
            if name in there:
                self.folder.mkdir(parents=True, exist_ok=True)
                with (
                    in_one_line(f"{self.address}/{name}", "read"),
                    writing(self.folder / name) as partial,
                ):
                    self._system.get(f"{self._path}/{name}", str(partial), recursive=True)

    def push(self, names: Iterable[str]) -> None:
        """Copy files, or folders, of this machine to the address, in order.

        Raises
        ------
        KaryoscopeError
            If they cannot be written.
        """
        for name in names:
            file, target = self.folder / name, f"{self._path}/{name}"
            with in_one_line(f"{self.address}/{name}", "written"):
                self._system.makedirs(self._path, exist_ok=True)
                if file.is_dir():
                    if self._system.exists(target):
                        self._system.rm(target, recursive=True)
                    for inner in (p for p in sorted(file.rglob("*")) if p.is_file()):
                        end = inner.relative_to(file).as_posix()
                        self._system.makedirs(f"{target}/{end}".rpartition("/")[0], exist_ok=True)
                        self._system.put_file(str(inner), f"{target}/{end}")
                elif file.exists():
                    self._system.put_file(str(file), target)
