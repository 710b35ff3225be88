"""The layout of AnnData on disk (encoding 0.1.0), in HDF5 or in Zarr, written block by block.

See "On-disk format" in AnnData's documentation. The two libraries that write it differ only in how
an array is made and grows; :class:`Store` hides that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import COLUMN
from karyoscope.core.taxonomy import UNCLASSIFIED
from karyoscope.formats.context import ExportContext
from karyoscope.formats.images.idtable import hex_color
from karyoscope.formats.images.whole import read_shown
from karyoscope.formats.scverse.graph import WANTED_WITH, write_graph
from karyoscope.formats.scverse.store import Store
from karyoscope.formats.tables.columns import features

ROWS = 16384
_TYPICAL_UM = 8.0
#: Longest edges of the pictures, in pixels, by the names that Visium data gave them.
_PICTURES = {"hires": 2000, "lowres": 600}


def _encoding(kind: str, version: str = "0.2.0") -> dict[str, str]:
    return {"encoding-type": kind, "encoding-version": version}


_DICT = _encoding("dict", "0.1.0")
_TEXTS = _encoding("string-array")
_ARRAY = _encoding("array")


class AnnDataTable:
    """Nuclei as observations.

    ``X`` holds area and measurements (float32), ``obs`` the class,
    ``obsm["spatial"]`` the centroids in pixels of level 0, ``obsm["probabilities"]`` a data frame
    of the class probabilities, and ``uns["class_colors"]`` the colours that scanpy and squidpy draw
    the classes in. The names of the observations are the ids.

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

    Where neighbours are measured, ``obsp`` has the graph of
    :mod:`karyoscope.formats.scverse.graph`; the centroids, 16 bytes per nucleus, are held for it.

    Where the slide has annotations, ``obs`` names that of each nucleus, in a column ``region`` or,
    beside that of SpatialData, ``annotation``.
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
        # SpatialData has a column of that name, which says what a table is of.
        self._annotation = COLUMN if region is None else "annotation"
        if context.regions is None:
            self._annotation = ""
        self._features: list[str] | None = None
        self._probabilities: tuple[str, ...] = ()
        self._waiting: list[Nuclei] = []
        store.group("", _encoding("anndata", "0.1.0") | dict(root or {}))
        for name in ("layers", "obsm", "obsp", "varm", "varp", "uns"):
            store.group(name, _DICT)
        self._observations()
        store.array("obsm/spatial", (ROWS, 2), np.float64, _ARRAY)
        store.text("uns/karyoscope", json.dumps(context.provenance()), _encoding("string"))
        self._unclassified = False
        self._places: list[np.ndarray] | None = None
        if WANTED_WITH in context.measurements:
            self._places = [np.zeros((0, 2))]

    def _observations(self) -> None:
        columns = ["class"] if self._region is None else ["region", "id", "class"]
        if self._annotation:
            columns.append(self._annotation)
        frame = {"_index": "_index", "column-order": columns}
        self._store.group("obs", _encoding("dataframe") | frame)
        self._store.array("obs/_index", (ROWS,), str, _TEXTS)
        self._codes("obs/class")
        if self._annotation:
            self._codes(f"obs/{self._annotation}")
            names = [region.name for region in self._context.regions or ()]
            self._texts(f"obs/{self._annotation}/categories", names)
        if self._region is not None:
            self._codes("obs/region")
            self._texts("obs/region/categories", [self._region])
            self._store.array("obs/id", (ROWS,), np.uint32, _ARRAY)

    def _codes(self, path: str) -> None:
        self._store.group(path, _encoding("categorical") | {"ordered": False})
        self._store.array(f"{path}/codes", (ROWS,), np.int16, _ARRAY)

    def _texts(self, path: str, values: Sequence[str]) -> None:
        self._store.array(path, (max(1, len(values)),), str, _TEXTS)
        if values:
            self._store.append(path, list(values))

    def write(self, nuclei: Nuclei) -> None:
        """Add a block of nuclei."""
        self._waiting.append(nuclei)
        if sum(map(len, self._waiting)) >= ROWS:
            self._flush(ROWS)

    def add_picture(self) -> None:
        """Add the slide, reduced, as scanpy and squidpy look for it: ``uns["spatial"][slide]``.

        ``images`` holds it at no more than 2000 and 600 pixels, ``scalefactors`` the pixels of each
        for one of level 0, and the diameter, in pixels of level 0, at which nuclei are drawn.
        """
        library = f"uns/spatial/{self._context.slide.replace('/', '_') or 'slide'}"
        for path in ("uns/spatial", library, f"{library}/images", f"{library}/scalefactors"):
            self._store.group(path, _DICT)
        shown = pictures(self._context)
        for name, picture in shown["images"].items():
            self._store.whole(f"{library}/images/{name}", picture, _ARRAY)
        for name, value in shown["scalefactors"].items():
            path = f"{library}/scalefactors/{name}"
            self._store.whole(path, value, _encoding("numeric-scalar"))

    def finish(self) -> None:
        """Write what waits, so that the table is complete."""
        if self._features is None and not self._waiting:
            self._waiting.append(self._context.empty())
        if self._waiting:
            self._flush(1)
        if self._places is not None:
            scale = np.array([self._context.mpp_x, self._context.mpp_y])
            write_graph(self._store, np.concatenate(self._places) * scale)
        # A category without members would show in every plot and table.
        classes = list(self._context.taxonomy.classes)
        if self._unclassified:
            classes.append(UNCLASSIFIED)
        self._texts("obs/class/categories", [c.name for c in classes])
        self._texts("uns/class_colors", [hex_color(c.color) for c in classes])

    def _flush(self, multiple: int) -> None:
        """Write the waiting rows but those beyond a multiple of the chunk."""
        nuclei = Nuclei.concat(self._waiting)
        rows = np.arange(len(nuclei))
        whole = len(nuclei) // multiple * multiple
        self._waiting = [nuclei.take(rows[whole:])] if whole < len(nuclei) else []
        self._append(nuclei.take(rows[:whole]))

    def _append(self, nuclei: Nuclei) -> None:
        columns = features(nuclei)
        if self._features is None:
            self._features = list(columns)
            self._variables(self._features, nuclei)
        store, taxonomy = self._store, nuclei.taxonomy
        values = [np.asarray(column, np.float32) for column in columns.values()]
        index = list(map(str, nuclei.id.tolist()))
        codes = np.searchsorted(taxonomy.ids, nuclei.class_id).astype(np.int16)
        none = nuclei.class_id == UNCLASSIFIED.id
        codes[none] = len(taxonomy)
        self._unclassified |= bool(none.any())
        store.append("X", np.stack(values, 1))
        store.append("obs/_index", index)
        store.append("obs/class/codes", codes)
        if self._annotation:
            place = {r.name: k for k, r in enumerate(self._context.regions or ())}
            names = nuclei.measurements[COLUMN].tolist()
            rows = np.array([place.get(name, -1) for name in names], np.int16)
            store.append(f"obs/{self._annotation}/codes", rows)
        places = np.stack([nuclei.x, nuclei.y], 1)
        store.append("obsm/spatial", places)
        if self._places is not None:
            self._places.append(places)
        if self._probabilities:
            store.append("obsm/probabilities/_index", index)
        for name, column in zip(self._probabilities, nuclei.probabilities.T, strict=True):
            store.append(f"obsm/probabilities/{_safe(name)}", column)
        if self._region is not None:
            store.append("obs/region/codes", np.zeros(len(nuclei), np.int16))
            store.append("obs/id", nuclei.id)

    def _variables(self, names: list[str], nuclei: Nuclei) -> None:
        self._store.array("X", (ROWS, len(names)), np.float32, _ARRAY)
        frame = {"_index": "_index", "column-order": []}
        self._store.group("var", _encoding("dataframe") | frame)
        self._texts("var/_index", names)
        if nuclei.probabilities.shape[1]:
            self._probabilities = nuclei.taxonomy.names
            order = [_safe(name) for name in self._probabilities]
            frame = {"_index": "_index", "column-order": order}
            self._store.group("obsm/probabilities", _encoding("dataframe") | frame)
            self._store.array("obsm/probabilities/_index", (ROWS,), str, _TEXTS)
            for name in order:
                self._store.array(f"obsm/probabilities/{name}", (ROWS,), np.float32, _ARRAY)


def pictures(context: ExportContext) -> dict[str, dict[str, Any]]:
    """Return the slide, reduced, as ``uns["spatial"][slide]`` has it; see :class:`AnnDataTable`."""
    assert context.read is not None
    whole = replace(context, shown=None)
    images, scales = {}, {"spot_diameter_fullres": _TYPICAL_UM / context.mpp}
    for name, longest in _PICTURES.items():
        images[name], scales[f"tissue_{name}_scalef"], _ = read_shown(whole, context.read, longest)
    return {"images": images, "scalefactors": scales}


def _safe(name: str) -> str:
    """Name of a class as that of an array, in which a slash would begin a group."""
    return name.replace("/", "_")
