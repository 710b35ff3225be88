"""Nuclei as tables of other libraries, files and pictures; each method finds its package by name.

The core imports no other package of karyoscope. These methods are the exception: what one needs of
``formats``, ``pipeline``, ``plotting`` or ``view`` is imported when it is called.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import anndata
    import geopandas
    import matplotlib.axes
    import pandas


def _call(module: str, function: str, *arguments: Any, **options: Any) -> Any:
    return getattr(import_module(f"karyoscope.{module}"), function)(*arguments, **options)


class Conversions:
    """Methods of :class:`~karyoscope.core.nuclei.Nuclei` that convert, write or draw the nuclei."""

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a data frame with the columns of the CSV file; needs pandas.

        Returns
        -------
        pandas.DataFrame
            One row per nucleus: ``id, class, x, y, area_um2``, ``p_<class>``, measurements. The
            class is categorical, with the classes of the taxonomy in their order.

        Raises
        ------
        KaryoscopeError
            If pandas is not installed.
        """
        return _call("formats.frames", "to_dataframe", self)

    def to_geopandas(self) -> geopandas.GeoDataFrame:
        """Return a data frame with the outlines as ``geometry``; needs geopandas.

        Returns
        -------
        geopandas.GeoDataFrame
            The columns of :meth:`to_dataframe`, and polygons in pixels of level 0 without a
            coordinate reference system. ``nuclei.scale(1.0).to_geopandas()`` gives them in µm.

        Raises
        ------
        KaryoscopeError
            If geopandas is not installed.
        """
        return _call("formats.frames", "to_geopandas", self)

    def to_anndata(self, image: Any = None) -> anndata.AnnData:
        """Return the table that the format ``h5ad`` holds, for scanpy and squidpy; needs anndata.

        Parameters
        ----------
        image : path, ndarray, Slide, PIL image or xarray, optional
            Slide that squidpy draws the nuclei on, which becomes ``uns["spatial"]``.

        Returns
        -------
        anndata.AnnData
            ``X`` holds area and measurements, ``obs["class"]`` the class, ``obsm["spatial"]`` the
            centroids in pixels of level 0, ``obsm["probabilities"]`` a data frame of the class
            probabilities, ``uns["class_colors"]`` the colours of the classes.

        Raises
        ------
        KaryoscopeError
            If anndata is not installed or the image cannot be opened.
        """
        return _call("pipeline.saving", "to_anndata", self, image)

    def save(self, path: str | Path, image: Any = None, *, overwrite: bool = False) -> Path:
        """Write one file, whose format follows from the end of its name.

        Parameters
        ----------
        path : path
            A name that ends as those of ``karyoscope formats`` do: ``.parquet``, ``.geojson``,
            ``.csv``, ``.h5ad``, ``.labels.tif``, ``.spatialdata.zarr``, and so on.
        image : path, ndarray, Slide, PIL image or xarray, optional
            The slide, for formats that show pixels, and for its size. By default the size is that
            of the smallest image that holds all nuclei.
        overwrite : bool
            Replace a file that exists.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        KaryoscopeError
            If no format has names that end so, the file exists or cannot be written, or the image
            cannot be opened.

        See Also
        --------
        karyoscope.read : Read such a file.
        """
        written: Path = _call("pipeline.saving", "save", self, path, image, overwrite=overwrite)
        return written

    def plot(self, image: Any = None, **options: Any) -> matplotlib.axes.Axes:
        """Draw the outlines in the colours of their classes, with a legend; needs matplotlib.

        Parameters
        ----------
        image : path, ndarray, Slide, PIL image or xarray, optional
            Pixels to draw them on.
        **options
            Further arguments of :func:`karyoscope.plotting.overlay`, such as ``box``.

        Returns
        -------
        matplotlib.axes.Axes
            Axes in pixels of level 0.

        Raises
        ------
        KaryoscopeError
            If matplotlib is not installed or the image cannot be opened.
        """
        axes: matplotlib.axes.Axes = _call("plotting", "overlay", self, image, **options)
        return axes

    def view(self, slide: Any = None, height: int = 600) -> Any:
        """Show the nuclei in a cell of a notebook; needs ``karyoscope[view]``.

        Parameters
        ----------
        slide : path, ndarray or Slide, optional
            Pixels to show them on.
        height : int
            Height of the frame in pixels.

        Returns
        -------
        NotebookView
            What a notebook shows; see :mod:`karyoscope.view`.

        Raises
        ------
        KaryoscopeError
            If the extra is not installed or the slide cannot be opened.
        """
        from karyoscope.core.optional import require

        require("view", "starlette", "uvicorn", purpose="Nuclei.view")
        return _call("view", "NotebookView", self, slide, height)
