"""Files of nuclei, read back whatever their format."""

from __future__ import annotations

from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats.outlines.geojson_reading import read_geojson
from karyoscope.formats.scverse.spatialdata import SpatialDataWriter
from karyoscope.formats.tables.parquet import read_parquet

_GEOJSON = (".geojson", ".geojson.gz", ".json", ".json.gz")
_PARQUET = ".parquet"


def read(
    path: str | Path, mpp: float | None = None, taxonomy: Taxonomy | str | None = None
) -> Nuclei:
    """Read nuclei from a file that karyoscope wrote, or from GeoJSON of QuPath.

    Parameters
    ----------
    path : path
        ``.parquet``, ``.geojson``, ``.geojson.gz`` or ``.spatialdata.zarr``; without a suffix, as
        in ``out/slide``, the ``.parquet`` file of that name. Parquet and SpatialData give the
        outlines exactly as they were, GeoJSON to 0.01 px.
    mpp : float, optional
        Micrometres per pixel, for GeoJSON that does not state it, such as that which QuPath wrote.
    taxonomy : Taxonomy or str, optional
        Classes, for GeoJSON that does not state them; by default those that it names, in the order
        of the alphabet.

    Returns
    -------
    Nuclei
        Positions are in pixels of level 0.

    Raises
    ------
    KaryoscopeError
        If the file is missing, damaged or holds no outlines, or its pixel size is unknown.

    Examples
    --------
    >>> import karyoscope
    >>> nuclei = karyoscope.read("out/slide.parquet")  # doctest: +SKIP
    >>> nuclei[nuclei["area_um2"] > 40].counts()  # doctest: +SKIP
    {'neutrophil': 2, 'epithelial': 1730, ...}
    """
    path = Path(path)
    if not path.exists() and path.with_name(path.name + _PARQUET).exists():
        path = path.with_name(path.name + _PARQUET)
    name = path.name.lower()
    if not path.exists():
        raise KaryoscopeError(f"no file {path}")
    if name.endswith(_PARQUET):
        return read_parquet(path)
    if name.endswith(_GEOJSON):
        classes = Taxonomy.load(taxonomy) if isinstance(taxonomy, str) else taxonomy
        return read_geojson(path, mpp, classes)
    if name.endswith(SpatialDataWriter.suffix):
        shapes = path / SpatialDataWriter.outlines
        if not shapes.exists():
            raise KaryoscopeError(f"{path} holds no nuclei")
        return read_parquet(shapes)
    raise KaryoscopeError(
        f"{path}: nuclei with outlines are read from .parquet, .geojson, .geojson.gz and"
        f" {SpatialDataWriter.suffix}"
    )
