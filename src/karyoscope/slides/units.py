"""Units of length as image formats spell them."""

from __future__ import annotations

_PREFIXES = {
    "": 1e6,
    "d": 1e5,
    "c": 1e4,
    "m": 1e3,
    "µ": 1.0,
    "n": 1e-3,
    "p": 1e-6,
    "f": 1e-9,
}
_LONG_PREFIXES = {
    "": "",
    "deci": "d",
    "centi": "c",
    "milli": "m",
    "micro": "µ",
    "nano": "n",
    "pico": "p",
    "femto": "f",
}
_OTHERS = {
    "micron": 1.0,
    "um": 1.0,
    "å": 1e-4,
    "angstrom": 1e-4,
    "ångström": 1e-4,
    "ångstrom": 1e-4,
    "angström": 1e-4,
    "in": 25_400.0,
    "inch": 25_400.0,
    "inches": 25_400.0,
    '"': 25_400.0,
    "thou": 25.4,
    "pt": 25_400.0 / 72,
    "ft": 304_800.0,
}
_MICROMETRES = {
    **{prefix + "m": size for prefix, size in _PREFIXES.items()},
    **{
        long + name: _PREFIXES[short]
        for long, short in _LONG_PREFIXES.items()
        for name in ("meter", "metre")
    },
    **_OTHERS,
}


def micrometres(unit: str) -> float | None:
    """Micrometres in a unit of length; None where it is no such unit, such as ``pixel``.

    Symbols, names, plurals and both Greek and Latin spellings of µ and Å are known; the symbols of
    ImageJ and TIFF count as well as those of OME-XML and OME-NGFF.

    Examples
    --------
    >>> micrometres("nm"), micrometres("microns"), micrometres("Å"), micrometres("pixel")
    (0.001, 1.0, 0.0001, None)
    """
    name = unit.strip().replace("\\u00B5", "µ").replace("\\u00b5", "µ").replace("μ", "µ")
    # The sign of the unit Å, beside the letter.
    name = name.replace("\u212b", "Å")
    if name in _MICROMETRES:
        return _MICROMETRES[name]
    name = name.lower()
    return _MICROMETRES.get(
        name, _MICROMETRES.get(name.removesuffix("s")) if len(name) > 3 else None
    )
