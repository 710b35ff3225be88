"""Parameters that every post-processing has, and what ``karyoscope tune`` tries for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy

NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class TuningRange:
    """What ``karyoscope tune`` tries for a parameter; stands in the annotation of its field.

    Attributes
    ----------
    shared : sequence of float
        Values to try for all classes at once, in this order. Empty where the parameter is not
        tuned so.
    by_class : sequence of float
        Values to try for each class on its own, where ``--by-class`` names the parameter. Empty
        where it is not tuned so.
    neutral : float
        Value that has no effect: it stands for the classes that have none where one class is given
        a value.

    Examples
    --------
    >>> class Mine(Parameters):
    ...     sharpness: Annotated[NonNegative, TuningRange((0.5, 1.0, 2.0))] = 1.0
    >>> tuning_ranges(Mine)["sharpness"].shared
    (0.5, 1.0, 2.0)
    """

    shared: Sequence[float] = ()
    by_class: Sequence[float] = ()
    neutral: float = 0.0


MinArea = Annotated[
    NonNegative | dict[str, NonNegative],
    TuningRange((2.0, 4.0, 6.0, 8.0), by_class=(2.0, 4.0, 6.0, 8.0, 10.0, 14.0)),
]
MaxArea = Annotated[
    NonNegative | dict[str, NonNegative] | None,
    TuningRange(by_class=(60.0, 100.0, 150.0, 250.0), neutral=1e4),
]
MinSolidity = Annotated[
    Share | dict[str, Share],
    TuningRange((0.0, 0.7, 0.8), by_class=(0.0, 0.7, 0.8, 0.85, 0.9)),
]
ClassWeights = Annotated[
    dict[str, NonNegative],
    TuningRange(by_class=(0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0, 2.8), neutral=1.0),
]


class Parameters(BaseModel):
    """Parameters that every post-processing has; each adds its own.

    Where a value may differ between classes, give one number, or a number for each class by name.

    Attributes
    ----------
    min_area_um2, max_area_um2 : float or {class: float}
        Smallest and largest area of a nucleus, in µm²; others are removed. None is no upper limit.
    min_solidity : float or {class: float}
        Nuclei whose area by the area of their convex hull is below are removed (Rumberger et al.
        2022, section II.G).
    class_weights : {class: float}
        Multiplies the summed probabilities of a class before the largest is taken, as a change of
        the prior would; 1 where absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_area_um2: MinArea = 0.0
    max_area_um2: MaxArea = None
    min_solidity: MinSolidity = 0.0
    class_weights: ClassWeights = {}


def tuning_ranges(parameters: type[Parameters]) -> dict[str, TuningRange]:
    """Parameters that can be tuned, with what to try, in the order of the search.

    Parameters
    ----------
    parameters : type of Parameters
        Those of one post-processing. Its own come first, then those that all have.

    Returns
    -------
    dict of str to TuningRange
        Values by the name of the parameter.
    """
    ranges = {
        name: found
        for name, field in parameters.model_fields.items()
        for found in field.metadata
        if isinstance(found, TuningRange)
    }
    own = {name: value for name, value in ranges.items() if name not in Parameters.model_fields}
    return own | ranges


def per_class(value: float | dict[str, float], taxonomy: Taxonomy, name: str) -> np.ndarray:
    """Spread a parameter over the classes.

    Parameters
    ----------
    value : float or {class: float}
        One number, or one for every class.
    taxonomy : Taxonomy
        The classes.
    name : str
        Name of the parameter, for the message.

    Returns
    -------
    ndarray of float64, shape (k + 1,)
        In the order of the taxonomy; first the value for "not classified", the mean of the rest.

    Raises
    ------
    KaryoscopeError
        If a class is unknown or missing.
    """
    if not isinstance(value, dict):
        return np.full(len(taxonomy) + 1, float(value))
    _require_known(value, taxonomy, name)
    missing = [c for c in taxonomy.names if c not in value]
    if missing:
        raise KaryoscopeError(f"{name} gives no value for the class {missing[0]!r}")
    values = np.array([value[c] for c in taxonomy.names], np.float64)
    return np.concatenate([[values.mean()], values])


def weights(class_weights: dict[str, float], taxonomy: Taxonomy) -> np.ndarray:
    """Weight of each class in the order of the taxonomy: float64, shape (k,); 1 where absent."""
    _require_known(class_weights, taxonomy, "class_weights")
    return np.array([class_weights.get(c, 1.0) for c in taxonomy.names], np.float64)


def _require_known(value: dict[str, float], taxonomy: Taxonomy, name: str) -> None:
    for key in value:
        if key not in taxonomy.names:
            raise KaryoscopeError(
                f"{name} names the class {key!r}; taxonomy {taxonomy.name!r} has"
                f" {', '.join(taxonomy.names)}"
            )
