"""Nuclei as Arrow columns; for the formats that are tables."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED

#: Ends of names that are units: the unit in its signs, and the decimal places that make sense.
_UNITS = {
    "_per_mm2": ("per mm^2", 1),
    "_um2": ("µm^2", 2),
    "_um": ("µm", 2),
    "_deg": ("°", 1),
    "_od": ("OD", 4),
}


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
        return next((places for end, (_, places) in _UNITS.items() if name.endswith(end)), None)
    return 2 if name in ("x", "y", "area_um2") else 4


def spoken_name(name: str) -> str:
    """Name of a column as QuPath writes such names: with spaces, and the unit in its signs.

    Names that are no lower-case identifiers stay as they are, and so do class probabilities.

    Examples
    --------
    >>> [spoken_name(name) for name in ("area_um2", "density_50um_plasma_per_mm2", "p_plasma")]
    ['Area µm^2', 'Density 50 µm plasma per mm^2', 'p_plasma']
    """
    if name.startswith("p_") or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return name
    for end, (unit, _) in _UNITS.items():
        if name.endswith(end):
            name = f"{name.removesuffix(end)} {unit}"
            break
    name = re.sub(r"(\d)um\b", r"\1 µm", name.replace("_", " "))
    return name[0].upper() + name[1:]


def _classes(nuclei: Nuclei) -> pa.DictionaryArray:
    names = [*nuclei.taxonomy.names, UNCLASSIFIED.name]
    positions = np.full(256, len(names) - 1, np.int16)
    positions[list(nuclei.taxonomy.ids)] = np.arange(len(nuclei.taxonomy))
    return pa.DictionaryArray.from_arrays(pa.array(positions[nuclei.class_id]), names)
