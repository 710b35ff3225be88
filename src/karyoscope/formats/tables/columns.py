"""Nuclei as Arrow columns; for the formats that are tables."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa

from karyoscope.core.arrow import number_array, text_array
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import UNCLASSIFIED
from karyoscope.formats.rounding import UNITS


def columns(nuclei: Nuclei) -> dict[str, pa.Array]:
    """Every column but the outlines, in the order of :meth:`Nuclei.columns`.

    The class is a dictionary column that lists all classes of the taxonomy, so that it has the
    same categories in every block.
    """
    arrays = {"id": number_array(nuclei.id), "class": _classes(nuclei)}
    for name, column in nuclei.columns().items():
        if name not in arrays:
            arrays[name] = text_array(column) if is_text(column) else number_array(column)
    return arrays


def is_text(column: np.ndarray) -> bool:
    """Whether a column holds names, such as that of the region, and not numbers."""
    return np.asarray(column).dtype.kind in "OU"


def numbers(nuclei: Nuclei) -> dict[str, np.ndarray]:
    """Columns that are measured: all but id, class, place and those that hold names."""
    return {
        name: column
        for name, column in nuclei.columns().items()
        if name not in ("id", "class", "x", "y") and not is_text(column)
    }


def features(nuclei: Nuclei) -> dict[str, np.ndarray]:
    """Columns that are measured, but the probabilities of the classes."""
    probabilities = {f"p_{name}" for name in nuclei.taxonomy.names}
    return {n: c for n, c in numbers(nuclei).items() if n not in probabilities}


def texts(nuclei: Nuclei) -> dict[str, np.ndarray]:
    """Columns that hold names, but the class."""
    return {n: c for n, c in nuclei.columns().items() if n != "class" and is_text(c)}


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
    for end, (unit, _) in UNITS.items():
        if name.endswith(end):
            name = f"{name.removesuffix(end)} {unit}"
            break
    name = re.sub(r"(\d)um\b", r"\1 µm", name.replace("_", " "))
    return name[0].upper() + name[1:]


def written_name(spoken: str) -> str:
    """Undo :func:`spoken_name`; names that it does not make stay as they are.

    Examples
    --------
    >>> [written_name(name) for name in ("Area µm^2", "Density 50 µm plasma per mm^2", "Cell: X")]
    ['area_um2', 'density_50um_plasma_per_mm2', 'Cell: X']
    """
    name = spoken
    for end, (unit, _) in UNITS.items():
        if name.endswith(f" {unit}"):
            name = name.removesuffix(f" {unit}") + end
            break
    name = re.sub(r"(\d) µm\b", r"\1um", name).replace(" ", "_")
    name = name[:1].lower() + name[1:]
    return name if spoken_name(name) == spoken else spoken


def _classes(nuclei: Nuclei) -> pa.DictionaryArray:
    names = list(nuclei.taxonomy.names)
    positions = np.full(256, len(names), np.int16)
    if (nuclei.class_id == UNCLASSIFIED.id).any():
        names.append(UNCLASSIFIED.name)
    positions[list(nuclei.taxonomy.ids)] = np.arange(len(nuclei.taxonomy))
    return pa.DictionaryArray.from_arrays(
        number_array(positions[nuclei.class_id]), text_array(names)
    )
