"""The registry of feature groups, and their columns.

A name ends in its unit (``_um``, ``_um2``, ``_deg``, ``_per_mm2``) where it has one; the formats
that show units derive them from it.
"""

from __future__ import annotations

from collections.abc import Iterable

from karyoscope.core.registry import Registry
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features.base import RADIUS_UM, Feature, FeatureGroup, expand
from karyoscope.features.cells import CELLS
from karyoscope.features.neighbours import NEIGHBOURS
from karyoscope.features.quality import QUALITY
from karyoscope.features.shape import SHAPE
from karyoscope.features.stain import STAIN

GROUPS: Registry[FeatureGroup] = Registry.by_name(
    "feature group",
    (SHAPE, STAIN, QUALITY, CELLS, NEIGHBOURS),
    group="karyoscope.features",
    kind=FeatureGroup,
)
"""Groups of features by name."""


def check_groups(groups: Iterable[str]) -> None:
    """Check names of groups.

    Raises
    ------
    KaryoscopeError
        If one is unknown; lists those there are.
    """
    for group in groups:
        GROUPS.find(group)


def find_groups(groups: Iterable[str]) -> list[FeatureGroup]:
    """Return groups in the order of their columns: those that need all nuclei come last.

    Parameters
    ----------
    groups : iterable of str
        Keys of :data:`GROUPS`; the order does not matter.

    Raises
    ------
    KaryoscopeError
        If one is unknown; lists those there are.
    """
    wanted = set(groups)
    check_groups(wanted)
    ours = [name for name in GROUPS if name in wanted]
    found = [GROUPS.find(name) for name in (*ours, *sorted(wanted - {*ours}))]
    return sorted(found, key=lambda group: group.needs_all)


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
        Radius of the neighbourhood, in µm; part of the names of local densities.

    Returns
    -------
    list of Feature

    Examples
    --------
    >>> [f.name for f in feature_columns(["stain"], Taxonomy.load("lizard"))]
    ['hematoxylin_od', 'eosin_od']
    """
    return [
        feature
        for group in find_groups(groups)
        for feature in expand(group.columns, taxonomy, radius_um)
    ]
