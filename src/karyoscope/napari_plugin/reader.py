"""Files of karyoscope as layers of napari."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.geojson import Feature, areas_of, read_collection
from karyoscope.core.optional import load
from karyoscope.core.tiff_guard import check_directories
from karyoscope.formats import read_parquet
from karyoscope.napari_plugin.layers import Layer, labels_layer, nuclei_layer, outlines_layer
from karyoscope.napari_plugin.table import Color, NucleusTable, read_id_table

_AT_ONCE = 1 << 25
"""Pixels of a label image that are read at once; larger ones are read where they are shown."""

_DAMAGE = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError)


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[Layer]] | None:
    """Return the function that reads a file, as napari asks its plugins for it.

    Parameters
    ----------
    path : str or list of str
        A file or folder that was opened or dropped; several are no file of karyoscope.

    Returns
    -------
    callable or None
        Takes the path and returns the layers; None if it is no file of karyoscope.
    """
    if not isinstance(path, str) or _suffix(path) is None:
        return None
    return read_layers


def read_layers(path: str | list[str]) -> list[Layer]:
    """Read a file of karyoscope as layers.

    Parameters
    ----------
    path : str
        ``<stem>.labels.tif`` or ``<stem>.labels.ome.zarr``, which become a label image with the
        classes, colours and features of ``<stem>.parquet`` or, without it, the classes of
        ``<stem>.labels.csv``; ``.parquet``, ``.geojson`` or ``.geojson.gz``, which become
        outlines, or points if there are many.

    Returns
    -------
    list of (data, settings, kind)

    Raises
    ------
    KaryoscopeError
        If the file is missing, damaged, or was not written by karyoscope.
    """
    if isinstance(path, list):
        raise KaryoscopeError("karyoscope reads one file at a time")
    suffix = _suffix(path)
    if suffix is None:
        raise KaryoscopeError(f"{path} is no file of nuclei; open one of {', '.join(_READERS)}")
    file = Path(path)
    if not file.exists():
        raise KaryoscopeError(f"no file {path}")
    return [_READERS[suffix](file, file.name[: -len(suffix)])]


def _suffix(path: str) -> str | None:
    name = Path(path).name.lower()
    return next((suffix for suffix in _READERS if name.endswith(suffix)), None)


def _labels_tiff(path: Path, slide: str) -> Layer:
    tifffile: Any = load("napari", "tifffile", "a label image in napari")
    check_directories(path)
    try:
        with tifffile.TiffFile(path) as tif:
            series = tif.series[0]
            shapes = [level.shape for level in series.levels]
            if any(len(shape) != 2 for shape in shapes) or series.dtype.kind not in "ui":
                raise ValueError("a label image is one channel of whole numbers")
            small = len(shapes) == 1 and shapes[0][0] * shapes[0][1] <= _AT_ONCE
            levels = [series.asarray()] if small else []
        if not small:
            zarr: Any = load("napari", "zarr", "a large label image in napari")
            levels = [
                zarr.open(tifffile.imread(path, aszarr=True, level=level), mode="r")
                for level in range(len(shapes))
            ]
    except _DAMAGE as error:
        raise _damaged(path, "label image", error) from error
    return labels_layer(levels, _table_beside(path, slide), slide)


def _labels_zarr(path: Path, slide: str) -> Layer:
    zarr: Any = load("napari", "zarr", "an OME-Zarr label image in napari")
    try:
        group = zarr.open_group(str(path), mode="r")
        levels = [group[entry["path"]] for entry in group.attrs["multiscales"][0]["datasets"]]
        if not levels or any(level.ndim != 2 or level.dtype.kind not in "ui" for level in levels):
            raise ValueError("a label image is one channel of whole numbers")
    except _DAMAGE as error:
        raise _damaged(path, "OME-Zarr label image", error) from error
    return labels_layer(levels, _table_beside(path, slide), slide)


def _table_beside(path: Path, slide: str) -> NucleusTable | None:
    """Return classes and features of the nuclei of a label image from the files beside it.

    Parameters
    ----------
    path : Path
        The label image.
    slide : str
        First part of the names of the files, before their suffix.

    Raises
    ------
    KaryoscopeError
        If a file beside it is damaged.
    """
    table = path.with_name(f"{slide}.parquet")
    if table.exists():
        return NucleusTable.of(read_parquet(table))
    table = path.with_name(f"{slide}.labels.csv")
    return read_id_table(table) if table.exists() else None


def _parquet(path: Path, slide: str) -> Layer:
    return nuclei_layer(read_parquet(path), slide)


def _geojson(path: Path, slide: str) -> Layer:
    try:
        about, features = read_collection(path)
    except OSError as error:
        raise KaryoscopeError(f"{path} cannot be read: {error.strerror or error}") from error
    drawn = [(feature, _ring(feature)) for feature in features]
    shown = [(feature, ring) for feature, ring in drawn if ring is not None]
    if not shown:
        raise KaryoscopeError(f"{path} holds no outlines")
    rings = [ring for _, ring in shown]
    offsets = np.cumsum([0, *map(len, rings)])
    # Where the format of the slide states the scanned part, GeoJSON counts from its corner.
    vertices = np.concatenate(rings) + np.asarray(about.get("scanned_from", (0, 0)), np.float64)
    return outlines_layer(_table([feature for feature, _ in shown]), vertices, offsets, slide)


def _ring(feature: Feature) -> np.ndarray | None:
    """Vertices of the largest polygon, not closed: float64, shape (v, 2); None without any."""
    geometry = feature.geometry(nucleus=True)
    parts = [] if geometry is None else list(areas_of(geometry).geoms)
    if not parts:
        return None
    largest = max(parts, key=lambda part: part.area)
    return np.asarray(largest.exterior.coords)[:-1, :2]


def _table(features: list[Feature]) -> NucleusTable:
    """Names, classes and measurements as the file has them."""
    names = [feature.name for feature in features]
    ours = all(n.isascii() and n.isdecimal() and 0 < int(n) < 1 << 32 for n in names)
    ids = list(map(int, names)) if ours else range(1, len(names) + 1)
    columns: dict[str, np.ndarray] = {}
    for row, feature in enumerate(features):
        for name, value in feature.measurements.items():
            column = columns.setdefault(name, np.full(len(features), np.nan, np.float32))
            column[row] = value
    colors: dict[str, Color] = {f.class_label: f.color for f in features if f.color is not None}
    classes = np.array([feature.class_label for feature in features], str)
    return NucleusTable(np.array(ids, np.uint32), classes, colors, columns)


def _damaged(path: Path, what: str, error: Exception) -> KaryoscopeError:
    reason = " ".join(str(error).split())[:200]
    return KaryoscopeError(f"{path} is no {what} of karyoscope: {reason}")


_READERS: dict[str, Callable[[Path, str], Layer]] = {
    ".labels.tif": _labels_tiff,
    ".labels.ome.zarr": _labels_zarr,
    ".parquet": _parquet,
    ".geojson": _geojson,
    ".geojson.gz": _geojson,
}
