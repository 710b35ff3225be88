"""Nuclei -> what is measured on each: shape, stain, neighbours.

A group of features is a function from nuclei to columns; :data:`GROUPS` names and defines the
columns. The columns travel as ``Nuclei.measurements`` and appear in every table format.
"""

from karyoscope.features.columns import (
    CLASS,
    GROUPS,
    RADIUS_UM,
    Feature,
    check_groups,
    feature_columns,
)
from karyoscope.features.neighbours import Neighbourhood
from karyoscope.features.shape import shape_features
from karyoscope.features.stain import STAIN_MPP, stain_features

__all__ = [
    "CLASS",
    "GROUPS",
    "RADIUS_UM",
    "STAIN_MPP",
    "Feature",
    "Neighbourhood",
    "check_groups",
    "feature_columns",
    "shape_features",
    "stain_features",
]
