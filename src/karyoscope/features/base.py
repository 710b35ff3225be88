"""Base classes of feature groups: columns, requirements and measurement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy

#: Stands for the name of a class in the name of a feature that there is one of a class.
CLASS = "<class>"

RADIUS_UM = 50.0
EXPANSION_UM = 5.0


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes
    ----------
    name : str
        Name of the column in the files.
    unit : str
        Unit of the values; empty for a pure number.
    definition : str
        What the values are.
    """

    name: str
    unit: str
    definition: str


class PixelGrid(NamedTuple):
    """Pixels of a slide at one scale.

    Attributes
    ----------
    read : callable
        ``read(x, y, width, height)`` returns (height, width, 3) uint8 RGB, white beyond the slide.
    scale_x, scale_y : float
        Pixels of level 0 that one pixel of the grid spans.
    """

    read: Callable[[int, int, int, int], np.ndarray]
    scale_x: float
    scale_y: float


@dataclass(frozen=True)
class FeatureContext:
    """Properties of the slide that a group is given before the first nucleus.

    Attributes
    ----------
    taxonomy : Taxonomy
        Classes of the nuclei.
    mpp_xy : tuple of float
        Micrometres per pixel along x and y.
    radius_um : float
        Radius of the neighbourhood, in µm.
    pixels : callable, optional
        ``pixels(mpp)`` returns the :class:`PixelGrid` with that many µm per pixel, or the finest
        that a coarser slide has. None if the slide is not given.
    faults : callable, optional
        ``faults(x, y)`` tells which points, in pixels of level 0, lie in faults of the slide: a
        bool array for each of :data:`karyoscope.core.faults.KINDS`. None where it is not known.
    expansion_um : float
        Distance by which nuclei are expanded to cells, in µm.
    """

    taxonomy: Taxonomy
    mpp_xy: tuple[float, float]
    radius_um: float = RADIUS_UM
    pixels: Callable[[float], PixelGrid] | None = None
    faults: Callable[[np.ndarray, np.ndarray], Mapping[str, np.ndarray]] | None = None
    expansion_um: float = EXPANSION_UM


class Measurement(Protocol):
    """Measurement of one feature group on one slide."""

    def add(self, nuclei: Nuclei) -> None:
        """Add a block of nuclei; called before :meth:`measure`, for groups that need all nuclei."""

    def measure(self, nuclei: Nuclei) -> dict[str, np.ndarray]:
        """Return the columns of the group for some nuclei, float32, shape (n,)."""


@dataclass(frozen=True)
class PerNucleus:
    """A measurement that depends on no other nucleus.

    Attributes
    ----------
    function : callable
        Turns a table of nuclei into the columns of the group.
    """

    function: Callable[[Nuclei], dict[str, np.ndarray]]

    def add(self, nuclei: Nuclei) -> None:
        """Do nothing: other nuclei do not matter."""

    def measure(self, nuclei: Nuclei) -> dict[str, np.ndarray]:
        """Return the columns of the group."""
        return self.function(nuclei)


@dataclass(frozen=True)
class FeatureGroup:
    """A group of features that is selected by one name.

    Attributes
    ----------
    name : str
        Name on the command line and in the registry.
    title : str
        Heading for people.
    columns : tuple of Feature
        Columns in the order of the files. A name with :data:`CLASS` stands for one column a class,
        a name with ``_50um`` for one with the radius that is requested.
    start : callable
        ``start(context)`` returns the :class:`Measurement` of one slide.
    needs_pixels : bool
        Whether it reads pixels of the slide.
    needs_all : bool
        Whether all nuclei of the slide must be known before the first is measured.
    """

    name: str
    title: str
    columns: tuple[Feature, ...]
    start: Callable[[FeatureContext], Measurement]
    needs_pixels: bool = False
    needs_all: bool = False


def expand(
    columns: Iterable[Feature], taxonomy: Taxonomy, radius_um: float = RADIUS_UM
) -> list[Feature]:
    """Return a column for each class where a feature has one, with the radius in its name.

    Examples
    --------
    >>> near = Feature(f"density_50um_{CLASS}", "1/mm²", "within 50 µm")
    >>> [f.name for f in expand([near], Taxonomy.load("nucleus"), 30)]
    ['density_30um_nucleus']
    """
    found = []
    for feature in (_with_radius(column, radius_um) for column in columns):
        if CLASS in feature.name:
            found += [
                replace(feature, name=feature.name.replace(CLASS, name)) for name in taxonomy.names
            ]
        else:
            found.append(feature)
    return found


def _with_radius(feature: Feature, radius_um: float) -> Feature:
    """Name the radius that is requested in the place of the usual one."""
    usual, asked = f"{RADIUS_UM:g}", f"{radius_um:g}"
    return replace(
        feature,
        name=feature.name.replace(f"_{usual}um", f"_{asked}um"),
        definition=feature.definition.replace(f"{usual} µm", f"{asked} µm"),
    )
