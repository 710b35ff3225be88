"""Which file of a folder holds the annotations of a slide: the one that is named after it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError

_SUFFIXES = (".geojson", ".json", ".geojson.gz", ".json.gz")


class AnnotationFolder:
    """GeoJSON files of a folder, by the slides that they are named after.

    ``a.svs`` has ``a.geojson`` or ``a.svs.geojson``, or, where the viewer wrote it,
    ``a.regions.geojson``; ``.json`` and ``.gz`` will do, too.

    Parameters
    ----------
    folder : path

    Raises
    ------
    KaryoscopeError
        If it cannot be listed or holds no GeoJSON.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            names = sorted(n for n in os.listdir(self.folder) if not n.startswith("."))
        except OSError as error:
            reason = error.strerror or error
            raise KaryoscopeError(f"--annotations {folder} cannot be read: {reason}") from error
        self._files: dict[str, list[str]] = {}
        for name in names:
            stem = _stem(name)
            if stem is not None:
                self._files.setdefault(stem, []).append(name)
        if not self._files:
            raise KaryoscopeError(f"--annotations {folder} holds no GeoJSON file")
        self._used: set[str] = set()

    def of(self, path: Path, stem: str) -> Path | None:
        """Find the file of a slide.

        Parameters
        ----------
        path : Path
            The slide.
        stem : str
            First part of the names of its results.

        Raises
        ------
        KaryoscopeError
            If several files are named after it.
        """
        drawn = self._files.get(f"{stem}.regions", [])
        stems = dict.fromkeys((stem, path.name, path.stem))
        found = drawn or [name for s in stems for name in self._files.get(s, [])]
        if len(found) > 1:
            names = " and ".join(found[:2])
            raise KaryoscopeError(
                f"{path}: {names} in --annotations {self.folder} are both named after it"
            )
        self._used.update(found)
        return self.folder / found[0] if found else None

    def unused(self) -> Sequence[str]:
        """Names of the files that were not used for a slide so far."""
        return [n for names in self._files.values() for n in names if n not in self._used]


def _stem(name: str) -> str | None:
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return None
