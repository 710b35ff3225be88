"""What every post-processing may be told: limits on nuclei, and weights of classes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy

NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Parameters(BaseModel):
    """Parameters that every post-processing has; each adds its own.

    Where a value may differ between classes, give one number, or a number for each class by name.

    Attributes
    ----------
    min_area_um2, max_area_um2 : float or {class: float}
        Nuclei outside these limits are removed; µm². No upper limit if None.
    min_solidity : float or {class: float}
        Nuclei whose area by the area of their convex hull is below are removed (Rumberger et al.
        2022, section II.G).
    class_weights : {class: float}
        Multiplies the summed probabilities of a class before the largest is taken, as a change of
        the prior would; 1 where absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_area_um2: NonNegative | dict[str, NonNegative] = 0.0
    max_area_um2: NonNegative | dict[str, NonNegative] | None = None
    min_solidity: Share | dict[str, Share] = 0.0
    class_weights: dict[str, NonNegative] = {}


def per_class(value: float | dict[str, float], taxonomy: Taxonomy, name: str) -> np.ndarray:
    """Spread a parameter over the classes.

    Parameters
    ----------
    value : float or {class: float}
        One number, or one for every class.
    taxonomy : Taxonomy
        The classes.
    name : str
        Of the parameter, for the message.

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
