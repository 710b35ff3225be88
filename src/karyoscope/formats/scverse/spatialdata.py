"""SpatialData: the slide, label image, outlines and a table that annotates them, in one folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import load
from karyoscope.formats.base import Writer
from karyoscope.formats.images.spool import OutlineSpool
from karyoscope.formats.images.whole import read_shown
from karyoscope.formats.scverse.anndata import AnnDataTable
from karyoscope.formats.scverse.spatial_elements import (
    CHUNK,
    add_image,
    add_labels,
    coordinate_systems,
)
from karyoscope.formats.tables.parquet import ParquetWriter

_IMAGE, _LABELS = "slide", "nuclei_labels"
_LONGEST = 4000
_SHAPES = "nuclei"
_TABLE = "nuclei_table"


class SpatialDataWriter(Writer):
    """Container 0.2 of SpatialData (Zarr 3).

    Image ``slide`` (reduced to 4000 pixels or less), labels ``nuclei_labels`` (ids on the grid of
    level 0, with reduced levels), shapes ``nuclei`` (outlines) and table ``nuclei_table``, which
    annotates the shapes. Written to the layout that ``spatialdata`` 0.6 and later read, without
    that library, which would need all outlines in memory. Two coordinate systems: ``global``, in
    pixels of level 0, and ``micrometers``. Without nuclei there are neither shapes nor a table,
    for the model allows no empty shapes.
    """

    name = "spatialdata"
    about = "the slide, reduced, label image, outlines and table in one folder"
    opens_in = "SpatialData, napari-spatialdata"
    needs = ("spatial", "zarr")
    suffix = ".spatialdata.zarr"
    outlines = f"shapes/{_SHAPES}/shapes.parquet"
    labels = f"labels/{_LABELS}/s0"

    _shapes: _Shapes | None = None

    def _open(self) -> None:
        zarr = load(*self.needs, f"format {self.name!r}")
        self.partial.mkdir()
        self._root = zarr.open_group(str(self.partial), mode="w", zarr_format=3)
        self._root.attrs.update({"spatialdata_attrs": {"version": "0.2"}})
        self._spool = OutlineSpool(self.scratch, CHUNK, self.context)

    def _add_elements(self) -> None:
        shapes = self._root.create_group(f"shapes/{_SHAPES}")
        shapes.attrs.update(self._shapes_attributes())
        path = self.partial / "shapes" / _SHAPES / "shapes.parquet"
        self._shapes = _Shapes(path, self.context)
        keys = {"region": _SHAPES, "region_key": "region", "instance_key": "id"}
        kind = {"spatialdata-encoding-type": "ngff:regions_table", "version": "0.2"}
        table = _Zarr(self._root.create_group(f"tables/{_TABLE}"))
        self._table = AnnDataTable(table, self.context, kind | keys, _SHAPES)
        table.group("uns/spatialdata_attrs", {"encoding-type": "dict", "encoding-version": "0.1.0"})
        for key, value in keys.items():
            text = {"encoding-type": "string", "encoding-version": "0.2.0"}
            table.text(f"uns/spatialdata_attrs/{key}", value, text)

    def _shapes_attributes(self) -> dict[str, Any]:
        mpp = self.context.mpp_x, self.context.mpp_y
        return {
            "encoding-type": "ngff:shapes",
            "axes": ["x", "y"],
            "spatialdata_attrs": {"version": "0.3"},
            "coordinateTransformations": coordinate_systems(("x", "y"), (1, 1), mpp),
        }

    def _write(self, nuclei: Nuclei) -> None:
        if self._shapes is None:
            self._add_elements()
        assert self._shapes is not None
        self._spool.add(nuclei)
        self._shapes.write(nuclei)
        self._table.write(nuclei)

    def _finish(self) -> None:
        if self._shapes is not None:
            self._shapes.close()
            self._table.finish()
        add_labels(self._root, _LABELS, self._spool, self.context)
        if self.context.read is not None:
            whole = replace(self.context, shown=None)
            picture, scale, _ = read_shown(whole, self.context.read, _LONGEST)
            add_image(self._root, _IMAGE, picture, 1 / scale, self.context)

    def _release(self) -> None:
        if self._shapes is not None:
            self._shapes.abort()


class _Shapes(ParquetWriter):
    """The outlines, with the id as the index that pandas restores."""

    names_slide = False

    def _metadata(self) -> dict[str, str]:
        index = {
            "name": "id",
            "field_name": "id",
            "pandas_type": "uint32",
            "numpy_type": "uint32",
            "metadata": None,
        }
        pandas = {"index_columns": ["id"], "column_indexes": [], "columns": [index]}
        return super()._metadata() | {"pandas": json.dumps(pandas | {"pandas_version": "2.0.0"})}


class _Zarr:
    """A :class:`Store` in a Zarr group."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def group(self, path: str, attributes: Mapping[str, Any]) -> None:
        group = self._root.require_group(path) if path else self._root
        group.attrs.update(dict(attributes))

    def array(
        self, path: str, shape: tuple[int, ...], dtype: Any, attributes: Mapping[str, Any]
    ) -> None:
        self._root.create_array(
            path,
            shape=(0, *shape[1:]),
            chunks=shape,
            dtype="string" if dtype is str else dtype,
            attributes=dict(attributes),
        )

    def append(self, path: str, rows: np.ndarray | list[str]) -> None:
        if len(rows):
            self._root[path].append(
                np.array(rows, dtype=object) if isinstance(rows, list) else rows
            )

    def text(self, path: str, value: str, attributes: Mapping[str, Any]) -> None:
        created = self._root.create_array(
            path, shape=(), dtype="string", attributes=dict(attributes)
        )
        created[...] = value

    def whole(self, path: str, values: Any, attributes: Mapping[str, Any]) -> None:
        created = self._root.create_array(path, data=np.asarray(values))
        created.attrs.update(dict(attributes))
