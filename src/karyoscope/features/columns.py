"""What every feature is called, in which unit, and what it means.

A name ends in its unit (``_um``, ``_um2``, ``_deg``, ``_per_mm2``) where it has one; the formats
that show units derive them from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from karyoscope.core.registry import Registry
from karyoscope.core.taxonomy import Taxonomy

#: Stands for the name of a class in the name of a feature that there is one of a class.
CLASS = "<class>"

RADIUS_UM = 50.0


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes
    ----------
    name : str
        In the files.
    unit : str
        Empty for a pure number.
    definition : str
    """

    name: str
    unit: str
    definition: str


_FEATURES: dict[str, tuple[Feature, ...]] = {
    "shape": (
        Feature("perimeter_um", "µm", "length of the outline"),
        Feature("circularity", "", "4π × area of the outline / perimeter²; 1 for a circle"),
        Feature(
            "eccentricity",
            "",
            "of the ellipse with the second moments of the outline; 0 for a circle, near 1 for a"
            " spindle",
        ),
        Feature(
            "solidity", "", "area of the outline / area of its convex hull; 1 if it has no dent"
        ),
        Feature(
            "orientation_deg",
            "°",
            "angle from the x axis to the major axis, counter-clockwise on the screen, 0 to 180",
        ),
        Feature("major_axis_um", "µm", "longer axis of the ellipse with the same second moments"),
        Feature("minor_axis_um", "µm", "shorter axis of the ellipse with the same second moments"),
    ),
    "stain": (
        Feature(
            "hematoxylin_od",
            "OD",
            "mean optical density of haematoxylin inside the outline",
        ),
        Feature("eosin_od", "OD", "mean optical density of eosin inside the outline"),
    ),
    "neighbours": (
        Feature("nearest_um", "µm", "from the centroid to the nearest other centroid"),
        Feature(
            f"nearest_{CLASS}_um", "µm", "from the centroid to the nearest other one of the class"
        ),
        Feature(
            "density_50um_per_mm2",
            "1/mm²",
            "other centroids within 50 µm of this one, by the area of that circle",
        ),
        Feature(f"density_50um_{CLASS}_per_mm2", "1/mm²", "the same, of one class"),
    ),
}

GROUPS: Registry[tuple[Feature, ...]] = Registry("features", _FEATURES)
"""Features by group, in the order of their columns."""


def check_groups(groups: Iterable[str]) -> None:
    """Check names of groups.

    Raises
    ------
    KaryoscopeError
        If one is unknown; lists those there are.
    """
    for group in groups:
        GROUPS.find(group)


def feature_columns(
    groups: Iterable[str], taxonomy: Taxonomy, radius_um: float = RADIUS_UM
) -> list[Feature]:
    """Columns that some groups of features have.

    Parameters
    ----------
    groups : iterable of str
        Keys of :data:`GROUPS`; the order does not matter.
    taxonomy : Taxonomy
        A feature that there is one of a class has a column for each.
    radius_um : float
        Of the circle that local densities are of; part of their names.

    Returns
    -------
    list of Feature

    Examples
    --------
    >>> [f.name for f in feature_columns(["stain"], Taxonomy.load("lizard"))]
    ['hematoxylin_od', 'eosin_od']
    """
    wanted = set(groups)
    check_groups(wanted)
    columns = []
    for group, features in GROUPS.items():
        for feature in features if group in wanted else ():
            feature = _with_radius(feature, radius_um)
            if CLASS in feature.name:
                columns += [
                    replace(feature, name=feature.name.replace(CLASS, name))
                    for name in taxonomy.names
                ]
            else:
                columns.append(feature)
    return columns


def _with_radius(feature: Feature, radius_um: float) -> Feature:
    """Name the radius that is meant in the place of the usual one."""
    usual, meant = f"{RADIUS_UM:g}", f"{radius_um:g}"
    return replace(
        feature,
        name=feature.name.replace(f"_{usual}um", f"_{meant}um"),
        definition=feature.definition.replace(f"{usual} µm", f"{meant} µm"),
    )
