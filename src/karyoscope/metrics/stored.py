"""Evaluations as plain data for JSON files, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.evaluation import Evaluation


def to_json(evaluation: Evaluation, *, samples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Everything about an evaluation as plain data: NaN is None, infinity ``"inf"``.

    The scores are at the top; then ``protocol``, ``repeats``, ``images``, ``mpp``, ``taxonomy``,
    ``conventions``, ``intervals`` (``[low, high]``), ``confusion``, ``per_image`` and ``counts``,
    from which :func:`from_json` restores the evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        An evaluation of at least one image.
    samples, seed : int
        Number of bootstrap samples, and the seed that they are drawn with.

    Examples
    --------
    >>> from karyoscope.metrics import Pair, score_pairs
    >>> result = to_json(score_pairs([Pair([[1, 1]], [[1, 1]], name="a")]), samples=10)
    >>> result["pq"] == from_json(result)["pq"], result["intervals"]["pq"]
    (True, [None, None])
    """
    counts = {
        name: {
            "names": part.names,
            "sources": part.sources,
            "cohorts": part.cohorts,
            "counts": part.counts.tolist(),
        }
        for name, part in evaluation.parts.items()
    }
    about = {
        "protocol": evaluation.protocol.name,
        "repeats": evaluation.protocol.repeats,
        "images": len(evaluation),
        "mpp": evaluation.mpp,
        "taxonomy": evaluation.taxonomy.to_dict() if evaluation.taxonomy else None,
        "conventions": evaluation.conventions,
        "intervals": evaluation.intervals(samples=samples, seed=seed),
        "confusion": evaluation.confusion,
        "per_image": evaluation.image_scores(),
        "counts": counts,
    }
    data: dict[str, Any] = plain(evaluation.scores | about)
    return data


def from_json(data: dict[str, Any]) -> Evaluation:
    """Restore an evaluation from :func:`to_json`.

    Raises
    ------
    KaryoscopeError
        If it is not the result of an evaluation.
    """
    try:
        taxonomy = Taxonomy.from_dict(data["taxonomy"]) if data["taxonomy"] else None
        evaluation = Evaluation(data["protocol"], taxonomy, data["mpp"])
        for name, part in evaluation.parts.items():
            stored = data["counts"][name]
            part.restore(
                stored["names"],
                stored["sources"],
                stored["cohorts"],
                _unplain(stored["counts"]),
            )
    except (KeyError, TypeError, ValueError) as error:
        raise KaryoscopeError(f"not the result of an evaluation: problem with {error}") from error
    return evaluation


def plain(value: Any) -> Any:
    """Turn nested data into what JSON can hold: NaN is None, infinity ``"inf"``."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else ("inf" if value > 0 else "-inf")
    return value


def _unplain(value: Any) -> Any:
    """Undo :func:`plain` in nested lists of numbers."""
    if isinstance(value, list):
        return [_unplain(item) for item in value]
    return np.nan if value is None else float(value)
