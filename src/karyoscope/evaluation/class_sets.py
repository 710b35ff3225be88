"""Notes beside scores: the class sets of predictions and truth, and how they were matched."""

from __future__ import annotations

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.merge import maps_to


def class_convention(truth: Taxonomy, found: Taxonomy | None, scored: Taxonomy | None) -> str:
    """Describe the class set of the scores.

    Parameters
    ----------
    truth : Taxonomy
    found, scored : Taxonomy or None
        Class sets of the predictions and of the scores; None where there are no classes.
    """
    if found is None or scored is None:
        return "the predictions have none, nuclei are scored without class"
    merged = [
        f"{of} merged from {taxonomy.name}"
        for of, taxonomy in (("truth", truth), ("prediction", found))
        if taxonomy.name != scored.name
    ]
    return "; ".join([f"{scored.name} ({', '.join(scored.names)})", *merged])


def class_remarks(truth: Taxonomy, found: Taxonomy | None, scored: Taxonomy | None) -> list[str]:
    """Say that only outlines are scored because two class sets have nothing else in common.

    The line names both class sets, and those to which one of them can be merged so that classes
    are compared; parameters are those of :func:`class_convention`.
    """
    if found is None or scored is None or not scored.outlines_only:
        return []
    if truth.outlines_only or found.outlines_only:
        return []
    shipped = Taxonomy.shipped()
    own, other = truth, found
    if truth.name in shipped and found.name not in shipped:
        own, other = found, truth
    ways = " or ".join(own.merges_line(target) for target in _targets(other))
    return [
        f"only outlines are scored: the class sets of the truth, {_listed(truth)}, and of the"
        f" predictions, {_listed(found)}, have nothing else in common; to compare classes, write"
        f" to taxonomy {own.name!r}: {ways}"
    ]


def _listed(taxonomy: Taxonomy) -> str:
    return f"{taxonomy.name!r} ({', '.join(taxonomy.names)})"


def _targets(taxonomy: Taxonomy) -> list[Taxonomy]:
    """Return a class set, and the finest coarser one to which all of its classes map."""
    shipped = [Taxonomy.load(name) for name in Taxonomy.shipped()]
    coarser = [
        target
        for target in sorted(shipped, key=lambda t: (-len(t), t.name))
        if target.name != taxonomy.name and not target.outlines_only and maps_to(taxonomy, target)
    ]
    return [taxonomy, *coarser[:1]]
