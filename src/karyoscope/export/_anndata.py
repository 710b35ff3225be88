"""The layout of AnnData on disk (encoding 0.1.0), in HDF5 or in Zarr, written block by block.

See "On-disk format" in AnnData's documentation. The two libraries that write it differ only in how
an array is made and grows; :class:`Store` hides that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED
from karyoscope.export.base import ExportContext

_ROWS = 16384


class Store(Protocol):
    """A hierarchy of arrays that grow along their first axis."""

    def group(self, path: str, attributes: Mapping[str, Any]) -> None:
        """Create a group."""

    def array(
        self, path: str, shape: tuple[int, ...], dtype: Any, attributes: Mapping[str, Any]
    ) -> None:
        """Create an array of zero rows, each of ``shape[1:]``, in chunks of ``shape``."""

    def append(self, path: str, rows: np.ndarray | list[str]) -> None:
        """Add rows to an array."""

    def text(self, path: str, value: str, attributes: Mapping[str, Any]) -> None:
        """Create a single text."""


def _encoding(kind: str, version: str = "0.2.0") -> dict[str, str]:
    return {"encoding-type": kind, "encoding-version": version}


_DICT = _encoding("dict", "0.1.0")
_TEXTS = _encoding("string-array")
_ARRAY = _encoding("array")


class AnnDataTable:
    """Nuclei as observations.

    ``X`` holds area, class probabilities and measurements (float32), ``obs`` the class and
    whatever ``keys`` adds, ``obsm["spatial"]`` the centroids in pixels of level 0, and
    ``uns["class_colors"]`` the colours that scanpy and squidpy draw the classes in. The names of
    the observations are the ids.

    Parameters
    ----------
    store : Store
        Empty.
    context : ExportContext
        Slide, scale, classes, model.
    root : mapping
        Further attributes of the root.
    region : str, optional
        Adds the columns ``region`` (this value) and ``id`` to ``obs``, by which SpatialData joins
        a table with shapes.
    """

    def __init__(
        self,
        store: Store,
        context: ExportContext,
        root: Mapping[str, Any] | None = None,
        region: str | None = None,
    ) -> None:
        self._store = store
        self._context = context
        self._region = region
        self._features: list[str] | None = None
        self._waiting: list[Nuclei] = []
        store.group("", _encoding("anndata", "0.1.0") | dict(root or {}))
        for name in ("layers", "obsm", "obsp", "varm", "varp", "uns"):
            store.group(name, _DICT)
        self._observations()
        store.array("obsm/spatial", (_ROWS, 2), np.float64, _ARRAY)
        store.text("uns/karyoscope", json.dumps(context.provenance()), _encoding("string"))
        classes = (*context.taxonomy.classes, UNCLASSIFIED)
        self._texts("uns/class_colors", ["#{:02x}{:02x}{:02x}".format(*c.color) for c in classes])

    def _observations(self) -> None:
        columns = ["class"] if self._region is None else ["region", "id", "class"]
        frame = {"_index": "_index", "column-order": columns}
        self._store.group("obs", _encoding("dataframe") | frame)
        self._store.array("obs/_index", (_ROWS,), str, _TEXTS)
        names = [*self._context.taxonomy.names, UNCLASSIFIED.name]
        self._categorical("obs/class", names)
        if self._region is not None:
            self._categorical("obs/region", [self._region])
            self._store.array("obs/id", (_ROWS,), np.uint32, _ARRAY)

    def _categorical(self, path: str, categories: Sequence[str]) -> None:
        self._store.group(path, _encoding("categorical") | {"ordered": False})
        self._store.array(f"{path}/codes", (_ROWS,), np.int16, _ARRAY)
        self._texts(f"{path}/categories", categories)

    def _texts(self, path: str, values: Sequence[str]) -> None:
        self._store.array(path, (max(1, len(values)),), str, _TEXTS)
        if values:
            self._store.append(path, list(values))

    def write(self, nuclei: Nuclei) -> None:
        """Add a block of nuclei."""
        self._waiting.append(nuclei)
        if sum(map(len, self._waiting)) >= _ROWS:
            self._flush(_ROWS)

    def finish(self) -> None:
        """Write what waits, so that the table is complete."""
        if self._features is None and not self._waiting:
            self._waiting.append(self._context.empty())
        if self._waiting:
            self._flush(1)

    def _flush(self, multiple: int) -> None:
        """Write the waiting rows but those beyond a multiple of the chunk."""
        nuclei = Nuclei.concat(self._waiting)
        rows = np.arange(len(nuclei))
        whole = len(nuclei) // multiple * multiple
        self._waiting = [nuclei.take(rows[whole:])] if whole < len(nuclei) else []
        self._append(nuclei.take(rows[:whole]))

    def _append(self, nuclei: Nuclei) -> None:
        columns = {k: v for k, v in nuclei.columns().items() if k not in ("id", "class", "x", "y")}
        if self._features is None:
            self._features = list(columns)
            self._variables(self._features)
        store, taxonomy = self._store, nuclei.taxonomy
        values = [np.asarray(column, np.float32) for column in columns.values()]
        codes = np.searchsorted(taxonomy.ids, nuclei.class_id).astype(np.int16)
        codes[nuclei.class_id == UNCLASSIFIED.id] = len(taxonomy)
        store.append("X", np.stack(values, 1))
        store.append("obs/_index", list(map(str, nuclei.id.tolist())))
        store.append("obs/class/codes", codes)
        store.append("obsm/spatial", np.stack([nuclei.x, nuclei.y], 1))
        if self._region is not None:
            store.append("obs/region/codes", np.zeros(len(nuclei), np.int16))
            store.append("obs/id", nuclei.id)

    def _variables(self, features: list[str]) -> None:
        self._store.array("X", (_ROWS, len(features)), np.float32, _ARRAY)
        frame = {"_index": "_index", "column-order": []}
        self._store.group("var", _encoding("dataframe") | frame)
        self._texts("var/_index", features)
