"""Nuclei as tables of pandas, geopandas and AnnData, with the names that the files use."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import load
from karyoscope.core.taxonomy import UNCLASSIFIED
from karyoscope.formats.context import ExportContext
from karyoscope.formats.images.idtable import hex_color
from karyoscope.formats.scverse.anndata import pictures
from karyoscope.formats.tables.columns import features, texts
from karyoscope.formats.tables.wkb import polygons

EXTRA = "analysis"


def to_dataframe(nuclei: Nuclei) -> Any:
    """See :meth:`karyoscope.Nuclei.to_dataframe`."""
    pandas = load(EXTRA, "pandas", "Nuclei.to_dataframe")
    columns: dict[str, Any] = dict(nuclei.columns())
    columns["class"] = pandas.Categorical(columns["class"], _categories(nuclei))
    frame = pandas.DataFrame(columns)
    frame.attrs["mpp"] = nuclei.mpp
    return frame


def to_geopandas(nuclei: Nuclei) -> Any:
    """See :meth:`karyoscope.Nuclei.to_geopandas`."""
    geopandas = load(EXTRA, "geopandas", "Nuclei.to_geopandas")
    outlines = polygons(nuclei.vertices, nuclei.offsets)
    return geopandas.GeoDataFrame(to_dataframe(nuclei), geometry=outlines, crs=None)


def to_anndata(nuclei: Nuclei, context: ExportContext | None = None) -> Any:
    """See :meth:`karyoscope.Nuclei.to_anndata`; the context gives name and pixels of the slide."""
    anndata = load(EXTRA, "anndata", "Nuclei.to_anndata")
    import pandas

    columns = features(nuclei)
    index = nuclei.id.astype(str)
    categories = _categories(nuclei)
    observed = pandas.DataFrame(
        {"class": pandas.Categorical(nuclei.class_names(), categories), **texts(nuclei)},
        index=index,
    )
    table = anndata.AnnData(
        np.stack([np.asarray(column, np.float32) for column in columns.values()], 1),
        obs=observed,
        var=pandas.DataFrame(index=list(columns)),
    )
    table.obsm["spatial"] = np.stack([nuclei.x, nuclei.y], 1)
    if nuclei.probabilities.shape[1]:
        names = list(nuclei.taxonomy.names)
        table.obsm["probabilities"] = pandas.DataFrame(nuclei.probabilities, index, names)
    kinds = {nuclei.taxonomy.by_id(i).name: i for i in (0, *nuclei.taxonomy.ids)}
    colors = [hex_color(nuclei.taxonomy.by_id(kinds[name]).color) for name in categories]
    table.uns["class_colors"] = np.array(colors)
    about = {"mpp": nuclei.mpp, "taxonomy": nuclei.taxonomy.to_dict()}
    table.uns["karyoscope"] = json.dumps(about, ensure_ascii=False)
    if context is not None:
        table.uns["spatial"] = {context.slide: pictures(context)}
    return table


def _categories(nuclei: Nuclei) -> list[str]:
    """Names of the classes, and of what is not classified where there is any."""
    names = list(nuclei.taxonomy.names)
    return [*names, UNCLASSIFIED.name] if (nuclei.class_id == UNCLASSIFIED.id).any() else names
