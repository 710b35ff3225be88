"""Measured scores, with intervals, in the card of a bundle: what was scored, before and after."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import find_bundle
from karyoscope.inference.bundle import README, Bundle, ModelCard, Steadiness
from karyoscope.inference.card_tables import BEFORE_TUNING, EARLIER, SCORES, with_tables
from karyoscope.inference.ensemble import Ensemble
from karyoscope.inference.readme import readme_of
from karyoscope.inference.rewrite import rewrite_bundle
from karyoscope.metrics import Evaluation
from karyoscope.metrics.accumulate import Accumulator
from karyoscope.metrics.resampling import bootstrap


def entry_of(scored: Evaluation | Accumulator, **about: Any) -> dict[str, Any]:
    """Scores in the form of a model card.

    Parameters
    ----------
    scored : Evaluation or Accumulator
    **about
        What else is said of them, such as ``protocol``.

    Returns
    -------
    dict
        ``images``, ``sources``, what was given, and by name of the score ``score``, ``low`` and
        ``high``: the 95 % interval of a bootstrap over source images; None where there is none,
        as for a single source. ``class_pq`` has the PQ of each class in the same form.
    """
    if isinstance(scored, Evaluation):
        values, inside = scored.scores, scored.intervals()
        parts = list(scored.parts.values())
    else:
        values, inside, parts = scored.compute(), bootstrap(scored), [scored]
    sources = {source for part in parts for source in part.sources}
    entry: dict[str, Any] = {"images": len(scored), "sources": len(sources), **about}
    for name in SCORES:
        value = values.get(name)
        if value is not None and math.isfinite(value):
            entry[name] = _with_interval(value, inside[name])
    of_classes = {
        name: _with_interval(of_class["pq"], inside["classes"][name]["pq"])
        for name, of_class in values.get("classes", {}).items()
        if math.isfinite(of_class.get("pq", math.nan))
    }
    return entry | ({"class_pq": of_classes} if of_classes else {})


def _with_interval(value: float, bounds: Iterable[float]) -> dict[str, float | None]:
    low, high = (round(float(b), 4) if math.isfinite(b) else None for b in bounds)
    return {"score": round(float(value), 4), "low": low, "high": high}


def write_measured(
    model: str | Path,
    scores: Mapping[str, Mapping[str, Any]] | None = None,
    steadiness: Steadiness | None = None,
) -> Path:
    """Write what was measured into the card of a bundle, and into the README generated from it.

    Parameters
    ----------
    model : str or path
        Folder of a bundle. Shipped models are known by name and stay as they are.
    scores : mapping of str to mapping, optional
        What :func:`entry_of` returned, by title; scores of the same title are replaced.
    steadiness : Steadiness, optional
        What :func:`karyoscope.evaluation.steadiness.steadiness_of` returned.

    Returns
    -------
    path
        The folder.

    Raises
    ------
    KaryoscopeError
        If it is no folder of a bundle.
    """
    folder = bundle_folder(model)
    bundle = find_bundle(folder)
    changes: dict[str, Any] = {"scores": {**bundle.card.scores, **(scores or {})}}
    if steadiness is not None:
        changes["steadiness"] = steadiness.model_dump(mode="json")
    return rewritten(bundle, folder, changes)


def bundle_folder(model: str | Path) -> Path:
    """Folder of a bundle whose card can be changed.

    Raises
    ------
    KaryoscopeError
        If the model is a shipped one, a zip file or several.
    """
    folder = Path(model)
    if not folder.is_dir():
        raise KaryoscopeError(
            f"{model}: scores are written to the folder of a bundle; export or tune to one first"
        )
    return folder


def rewritten(bundle: Bundle, out: Path, changes: dict[str, Any]) -> Path:
    """Write a bundle with another card, and with the README generated from the card.

    In a README that was written by hand, only the tables between lines such as
    ``<!-- scores: begin -->`` and ``<!-- scores: end -->`` are replaced; see
    :func:`karyoscope.inference.card_tables.with_tables`.

    Parameters
    ----------
    bundle : Bundle
    out : path
        Folder; replaced as a whole, and may be that of the bundle.
    changes : dict
        Values of :class:`~karyoscope.inference.bundle.ModelCard`.
    """
    if isinstance(bundle, Ensemble):
        return rewrite_bundle(bundle, out, changes)
    card = ModelCard.model_validate(bundle.card.model_dump(mode="json") | changes)
    page = bundle.read(README).decode(errors="replace") if README in bundle.card.files else ""
    now = readme_of(card) if page == readme_of(bundle.card) else with_tables(page, card)
    return rewrite_bundle(bundle, out, changes, now if now != page else None)


def earlier(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of a card whose parameters are about to change: measured ones say so by title."""
    return {
        title + EARLIER if _stale(title, entry) else title: entry for title, entry in scores.items()
    }


def _stale(title: str, entry: object) -> bool:
    measured = isinstance(entry, Mapping) and any(name in entry for name in SCORES)
    return measured and not title.endswith((EARLIER, BEFORE_TUNING))
