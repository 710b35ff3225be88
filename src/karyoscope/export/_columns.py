"""Nuclei as Arrow columns; for the formats that are tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from karyoscope.nuclei import Nuclei
from karyoscope.taxonomy import UNCLASSIFIED


def columns(nuclei: Nuclei) -> dict[str, pa.Array]:
    """Every column but the outlines, in the order of :meth:`Nuclei.columns`.

    The class is a dictionary column that lists all classes of the taxonomy, so that it has the
    same categories in every block.
    """
    arrays = {"id": pa.array(nuclei.id), "class": _classes(nuclei)}
    for name, column in nuclei.columns().items():
        if name not in arrays:
            arrays[name] = pa.array(column)
    return arrays


def decimals(name: str, nuclei: Nuclei) -> int | None:
    """Decimal places that a column has in text; None for a measurement, whose scale is unknown."""
    if name in nuclei.measurements:
        return None
    return 2 if name in ("x", "y", "area_um2") else 4


def _classes(nuclei: Nuclei) -> pa.DictionaryArray:
    names = [*nuclei.taxonomy.names, UNCLASSIFIED.name]
    positions = np.full(256, len(names) - 1, np.int16)
    positions[list(nuclei.taxonomy.ids)] = np.arange(len(nuclei.taxonomy))
    return pa.DictionaryArray.from_arrays(pa.array(positions[nuclei.class_id]), names)
