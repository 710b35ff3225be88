"""Features of nuclei: shape, stain, neighbours.

A :class:`FeatureGroup` declares its columns, what it needs and how it measures. Each group is one
file, registered in :data:`GROUPS`. The columns travel as ``Nuclei.measurements`` and appear in
every table format.
"""

from karyoscope.features.base import (
    CLASS,
    EXPANSION_UM,
    RADIUS_UM,
    Feature,
    FeatureContext,
    FeatureGroup,
    Measurement,
    PerNucleus,
    PixelGrid,
    expand,
)
from karyoscope.features.columns import GROUPS, check_groups, feature_columns, find_groups
from karyoscope.features.neighbours import Neighbourhood
from karyoscope.features.shape import shape_features
from karyoscope.features.stain import STAIN_MPP, stain_features

__all__ = [
    "CLASS",
    "EXPANSION_UM",
    "GROUPS",
    "RADIUS_UM",
    "STAIN_MPP",
    "Feature",
    "FeatureContext",
    "FeatureGroup",
    "Measurement",
    "Neighbourhood",
    "PerNucleus",
    "PixelGrid",
    "check_groups",
    "expand",
    "feature_columns",
    "find_groups",
    "shape_features",
    "stain_features",
]
