"""What ``karyoscope tune`` tries: for each parameter, for all classes or for one, a few values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing import POSTPROCESSINGS

Params = dict[str, Any]

#: Name of a parameter -> values to try for all classes at once, in the order of the search. A
#: post-processing is searched over those that it has.
SHARED: dict[str, Sequence[float]] = {
    # three_label
    "foreground": (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
    "seed": (0.3, 0.4, 0.5, 0.6, 0.7),
    # hover
    "nucleus": (0.3, 0.4, 0.5, 0.6),
    "edge": (0.3, 0.35, 0.4, 0.45, 0.5),
    "kernel_um": (2.75, 4.0, 5.25),
    "opening_um": (0.25, 0.75, 1.25),
    # contour
    "min_inner_um2": (0.5, 1.25, 3.0, 5.0),
    "dilation_um": (0.25, 0.5, 0.75, 1.0),
    # distance
    "least_px": (0.25, 0.5, 0.75, 1.0),
    "dynamic_px": (0.25, 0.5, 1.0, 1.5),
    "dynamic_share": (0.0, 0.3, 0.4, 0.5),
    # all
    "min_area_um2": (2.0, 4.0, 6.0, 8.0),
    "min_solidity": (0.0, 0.7, 0.8),
}
#: Likewise, but for each class alone.
BY_CLASS: dict[str, Sequence[float]] = {
    "class_weights": (0.35, 0.5, 0.7, 0.85, 1.0, 1.2, 1.4, 2.0, 2.8),
    "foreground": (0.3, 0.4, 0.5, 0.6, 0.7),
    "seed": (0.3, 0.4, 0.5, 0.6, 0.7),
    "min_area_um2": (2.0, 4.0, 6.0, 8.0, 10.0, 14.0),
    "max_area_um2": (60.0, 100.0, 150.0, 250.0),
    "min_solidity": (0.0, 0.7, 0.8, 0.85, 0.9),
}
#: What stands for "as if it were not there" where a class is given a value and others have none.
_NEUTRAL = {"class_weights": 1.0, "max_area_um2": 1e4}


@dataclass(frozen=True)
class Axis:
    """One parameter, of all classes or of one, and the values to try.

    Attributes
    ----------
    name : str
    class_name : str or None
        None for all classes at once.
    values : sequence of float
    classes : tuple of str
        All classes.
    default : float
        The parameter's value where it is not given.
    """

    name: str
    class_name: str | None
    values: Sequence[float]
    classes: tuple[str, ...]
    default: float

    def apply(self, params: Params, value: float) -> Params | None:
        """Parameters with this one changed; None where that changes nothing.

        What differs between classes already is not made one value again.
        """
        now = params.get(self.name, self.default)
        if self.class_name is None:
            return None if isinstance(now, dict) or now == value else params | {self.name: value}
        neutral = _NEUTRAL.get(self.name, 0.0)
        if isinstance(now, dict):
            spread = {name: now.get(name, neutral) for name in self.classes}
        else:
            spread = dict.fromkeys(self.classes, neutral if now is None else float(now))
        if spread[self.class_name] == value:
            return None
        return params | {self.name: spread | {self.class_name: value}}


def search_space(
    method: str, taxonomy: Taxonomy, by_class: Sequence[str] = ("class_weights",)
) -> list[Axis]:
    """List the parameters of a post-processing to search, in order.

    Parameters
    ----------
    method : str
        One of :data:`karyoscope.postprocessing.POSTPROCESSINGS`.
    taxonomy : Taxonomy
        For the parameters that differ between classes.
    by_class : sequence of str
        Keys of :data:`BY_CLASS`: what may differ between classes. The more, the more is fitted to
        few nuclei of rare classes: on two halves of 18 images of Lizard, thresholds and areas by
        class gained more mPQ+ on their own half and less on the other than weights alone.

    Returns
    -------
    list of Axis

    Raises
    ------
    KaryoscopeError
        If the post-processing has no such parameter, or not one for each class.
    """
    fields = POSTPROCESSINGS[method].parameters.model_fields
    for name in by_class:
        per_class = name in fields and "dict" in str(fields[name].annotation)
        if name not in BY_CLASS or not per_class:
            fitting = [
                n for n in BY_CLASS if "dict" in str(getattr(fields.get(n), "annotation", ""))
            ]
            raise KaryoscopeError(
                f"post-processing {method!r} has no {name!r} by class; there are"
                f" {', '.join(fitting)}"
            )
    names = taxonomy.names
    shared = [
        Axis(name, None, values, names, fields[name].default)
        for name, values in SHARED.items()
        if name in fields
    ]
    single = [
        Axis(name, class_name, BY_CLASS[name], names, _single(fields[name].default))
        for name in by_class
        for class_name in names
    ]
    return shared + single


def _single(default: Any) -> Any:
    """Default of a parameter as one number: no class has a weight of its own."""
    return None if isinstance(default, dict) else default
