"""SpatialData: outlines as shapes and a table that annotates them, in one Zarr folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import load
from karyoscope.export._anndata import AnnDataTable
from karyoscope.export.base import Writer
from karyoscope.export.parquet import ParquetWriter

_SHAPES = "nuclei"
_TABLE = "nuclei_table"


class SpatialDataWriter(Writer):
    """Container 0.2 of SpatialData (Zarr 3): shapes ``nuclei`` and table ``nuclei_table``.

    Written to the layout that ``spatialdata`` 0.6 and later read, without that library, which
    would need all outlines in memory. Two coordinate systems: ``global``, in pixels of level 0,
    and ``micrometers``. Without nuclei there are no elements, for the model allows no empty shapes.
    """

    name = "spatialdata"
    suffix = ".spatialdata.zarr"

    _shapes: _Shapes | None = None

    def _open(self) -> None:
        zarr = load("spatial", "zarr", f"format {self.name!r}")
        self.partial.mkdir()
        self._root = zarr.open_group(str(self.partial), mode="w", zarr_format=3)
        self._root.attrs.update({"spatialdata_attrs": {"version": "0.2"}})

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
        def axes(unit: str) -> list[dict[str, str]]:
            return [{"name": axis, "type": "space", "unit": unit} for axis in ("x", "y")]

        pixels = {"name": "xy", "axes": axes("unit")}
        scale = [self.context.mpp_x, self.context.mpp_y]
        return {
            "encoding-type": "ngff:shapes",
            "axes": ["x", "y"],
            "spatialdata_attrs": {"version": "0.3"},
            "coordinateTransformations": [
                {
                    "type": "identity",
                    "input": pixels,
                    "output": {"name": "global", "axes": axes("unit")},
                },
                {
                    "type": "scale",
                    "scale": scale,
                    "input": pixels,
                    "output": {"name": "micrometers", "axes": axes("unit")},
                },
            ],
        }

    def _write(self, nuclei: Nuclei) -> None:
        if self._shapes is None:
            self._add_elements()
        assert self._shapes is not None
        self._shapes.write(nuclei)
        self._table.write(nuclei)

    def _finish(self) -> None:
        if self._shapes is not None:
            self._shapes.close()
            self._table.finish()

    def _release(self) -> None:
        if self._shapes is not None:
            self._shapes.abort()


class _Shapes(ParquetWriter):
    """The outlines, with the id as the index that pandas restores."""

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
