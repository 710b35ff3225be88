"""The decimal places of every column: one rounding, so that all files of a run hold equal numbers.

Positions are rounded to 0.01 px, areas to 0.01 µm², probabilities to 0.0001, lengths to 0.01 µm,
angles to 0.1°, optical densities to 0.0001, numbers per mm² to 0.1, and other measurements to six
significant digits. Outlines are not rounded here; each format states theirs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from karyoscope.core.nuclei import Nuclei

#: Ends of names that are units: the unit in its signs, and the decimal places that make sense.
UNITS = {
    "_per_mm2": ("per mm^2", 1),
    "_um2": ("µm^2", 2),
    "_um": ("µm", 2),
    "_deg": ("°", 1),
    "_od": ("OD", 4),
}

_PLACES, _PROBABILITY_PLACES = 2, 4
_SIGNIFICANT = 6


def decimals(name: str, nuclei: Nuclei) -> int | None:
    """Decimal places of a column; None for a measurement of six significant digits."""
    if name in nuclei.measurements:
        return next((places for end, (_, places) in UNITS.items() if name.endswith(end)), None)
    return _PLACES if name in ("x", "y", "area_um2") else _PROBABILITY_PLACES


def rounded(nuclei: Nuclei) -> Nuclei:
    """Round every number to the digits that files hold; a second time changes nothing.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei in pixels of level 0.

    Returns
    -------
    Nuclei
        The same nuclei and outlines. The types of the columns do not change.
    """
    measurements = {}
    for name, column in nuclei.measurements.items():
        values = np.asarray(column)
        if values.dtype.kind == "f":
            places = decimals(name, nuclei)
            values = significant(values) if places is None else np.round(values, places)
        measurements[name] = values
    return replace(
        nuclei,
        x=np.round(nuclei.x, _PLACES),
        y=np.round(nuclei.y, _PLACES),
        area_um2=np.round(nuclei.area_um2, _PLACES),
        probabilities=np.round(nuclei.probabilities, _PROBABILITY_PLACES),
        measurements=measurements,
    )


def significant(values: np.ndarray, digits: int = _SIGNIFICANT) -> np.ndarray:
    """Round to a number of significant digits.

    Examples
    --------
    >>> significant(np.array([0.12345678, 1234567.0, 0.0, -9.9999996])).tolist()
    [0.123457, 1234570.0, 0.0, -10.0]
    """
    wide = np.asarray(values, np.float64)
    result = wide.copy()
    chosen = np.isfinite(wide) & (wide != 0)
    numbers = wide[chosen]
    power = digits - 1 - np.floor(np.log10(np.abs(numbers))).astype(int)
    # A power of ten that is no whole number is not exact, so that both ways are needed.
    up, down = 10.0 ** np.clip(power, 0, 300), 10.0 ** np.clip(-power, 0, 300)
    result[chosen] = np.rint(numbers * up / down) / up * down
    return result.astype(np.asarray(values).dtype)


def as_decimals(name: str, nuclei: Nuclei) -> np.ndarray:
    """Return a column of numbers of single precision as the decimal numbers that it stands for.

    Returns
    -------
    ndarray of float64, shape (n,)
        Printed in full, 0.1234 is not 0.12340000271797180.
    """
    column = np.asarray(nuclei.columns()[name])
    places = decimals(name, nuclei)
    wide = column.astype(np.float64)
    return significant(wide) if places is None else np.round(wide, places)
