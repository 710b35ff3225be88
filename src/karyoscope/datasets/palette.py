"""A taxonomy for classes that are known by name alone."""

from __future__ import annotations

from collections.abc import Iterable

from karyoscope.core.taxonomy import NucleusClass, Taxonomy

# Okabe and Ito, "Color Universal Design" (2008), distinguished by the colour-blind.
_COLORS = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
    (60, 0, 90),
    (204, 121, 167),
)


def taxonomy_of(name: str, class_names: Iterable[str]) -> Taxonomy:
    """Classes in alphabetical order with ids from 1; ``nucleus`` alone where there are none.

    Every class counts as a nucleus, so that data without classes can be compared.
    """
    names = sorted(set(class_names))
    if names in ([], ["nucleus"]):
        return Taxonomy.load("nucleus")
    classes = tuple(NucleusClass(i + 1, n, _COLORS[i % len(_COLORS)]) for i, n in enumerate(names))
    return Taxonomy(name, classes, {"nucleus": dict.fromkeys(names, "nucleus")})
