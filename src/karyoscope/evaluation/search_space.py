"""What ``karyoscope tune`` tries: for each parameter, for all classes or for one, a few values.

The values are declared on the parameters; see :class:`karyoscope.postprocessing.TuningRange`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.registry import choices
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.postprocessing import POSTPROCESSINGS, tuning_ranges

Params = dict[str, Any]


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
    neutral : float
        Value that has no effect, for classes that have none.
    """

    name: str
    class_name: str | None
    values: Sequence[float]
    classes: tuple[str, ...]
    default: float
    neutral: float = 0.0

    def apply(self, params: Params, value: float) -> Params | None:
        """Parameters with this one changed; None where that changes nothing.

        What differs between classes already is not made one value again.
        """
        now = params.get(self.name, self.default)
        if self.class_name is None:
            return None if isinstance(now, dict) or now == value else params | {self.name: value}
        if isinstance(now, dict):
            spread = {name: now.get(name, self.neutral) for name in self.classes}
        else:
            spread = dict.fromkeys(self.classes, self.neutral if now is None else float(now))
        if spread[self.class_name] == value:
            return None
        return params | {self.name: spread | {self.class_name: value}}


def class_parameters() -> tuple[str, ...]:
    """Names of the parameters that some post-processing can tune for each class on its own."""
    names = [
        name
        for method in POSTPROCESSINGS.values()
        for name, found in tuning_ranges(method.parameters).items()
        if found.by_class
    ]
    # Those of the most post-processings first.
    return tuple(sorted(dict.fromkeys(names), key=lambda name: -names.count(name)))


def search_space(
    method: str,
    taxonomy: Taxonomy,
    by_class: Sequence[str] = ("class_weights",),
    only: Sequence[str] = (),
) -> list[Axis]:
    """List the parameters of a post-processing to search, in order.

    Parameters
    ----------
    method : str
        One of :data:`karyoscope.postprocessing.POSTPROCESSINGS`.
    taxonomy : Taxonomy
        Classes by which parameters may differ.
    by_class : sequence of str
        What may differ between classes, of :func:`class_parameters`. The more, the more is fitted
        to few nuclei of rare classes: on two halves of 18 images of Lizard, thresholds and areas by
        class gained more mPQ+ on their own half and less on the other than weights alone.
    only : sequence of str
        Names of the parameters to search; the others keep their values. Empty for all.

    Returns
    -------
    list of Axis

    Raises
    ------
    KaryoscopeError
        If the post-processing has no such parameter, or not one for each class, or if one of
        ``only`` differs between classes alone and ``by_class`` does not name it.
    """
    parameters = POSTPROCESSINGS[method].parameters
    fields, ranges = parameters.model_fields, tuning_ranges(parameters)
    fitting = [name for name, found in ranges.items() if found.by_class]
    for name in by_class:
        if name not in fitting:
            raise KaryoscopeError(
                f"post-processing {method!r} has no {name!r} by class; there are"
                f" {', '.join(fitting)}"
            )
    for name in only:
        if name not in ranges:
            raise KaryoscopeError(
                f"post-processing {method!r} has no {name!r} to tune; there are"
                f" {choices(name, ranges)}"
            )
        if not ranges[name].shared and name not in by_class:
            raise KaryoscopeError(
                f"{name} is tuned for each class on its own: name it in --by-class, too"
            )
    names = taxonomy.names
    shared = [
        Axis(name, None, found.shared, names, fields[name].default)
        for name, found in ranges.items()
        if found.shared
    ]
    single = [
        Axis(
            name,
            class_name,
            ranges[name].by_class,
            names,
            _single(fields[name].default),
            ranges[name].neutral,
        )
        for name in by_class
        for class_name in names
    ]
    return [axis for axis in shared + single if not only or axis.name in only]


def _single(default: Any) -> Any:
    """Default of a parameter as one number: no class has a weight of its own."""
    return None if isinstance(default, dict) else default
