"""What came of scoring a set of images, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.evaluation.card_scores import entry_of
from karyoscope.metrics import Evaluation, to_json
from karyoscope.metrics.stored import plain

GROUPINGS = ("cohort", "source")


@dataclass
class EvaluationResult:
    """Scores with conventions, intervals and remarks for the reader.

    Attributes
    ----------
    evaluation : Evaluation
        The scores.
    truth, predictions : str
        Description of the truth and of the predictions.
    patches : int
        Side of the patches that were scored, in pixels; 0 for whole images.
    images : int
        Images that were scored, before they were cut into patches.
    conventions : dict of str to str
        Conventions beyond those of the metrics, by their subject.
    problems : list of str
        One line for each image that could not be scored.
    notes : list of str
        One line for everything else that the reader should know.
    """

    evaluation: Evaluation
    truth: str
    predictions: str
    patches: int
    images: int = 0
    conventions: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def for_card(self) -> dict[str, Any]:
        """Return what the card of a bundle says: PQ, mPQ+ and R² with intervals, and on what."""
        found = self.evaluation
        about: dict[str, Any] = {"protocol": found.protocol.name, "patches": self.patches}
        if found.taxonomy is not None:
            about["classes"] = found.taxonomy.name
        return entry_of(found, **about) | {"images": self.images}

    def to_dict(self, by: str | None = None, samples: int = 1000) -> dict[str, Any]:
        """Everything as plain data for ``evaluation.json``.

        Parameters
        ----------
        by : {"cohort", "source"}, optional
            Adds ``groups``: the scores of each.
        samples : int
            Number of bootstrap samples.
        """
        data = to_json(self.evaluation, samples=samples)
        data["scored"] = {
            "truth": self.truth,
            "predictions": self.predictions,
            "images": self.images,
            "sources": len({s for part in self.evaluation.parts.values() for s in part.sources}),
            "patches": self.patches,
            "problems": self.problems,
            "notes": self.notes,
        }
        data["conventions"] = {"set": self.conventions, **data["conventions"]}
        if by:
            groups = by_group(self.evaluation, by)
            data["groups"] = {
                "by": by,
                "scores": {
                    name: plain(part.scores | {"images": len(part)})
                    for name, part in groups.items()
                },
            }
        return data


def by_group(evaluation: Evaluation, by: str) -> dict[str, Evaluation]:
    """Return one evaluation for each cohort or for each source, in the order of their names.

    Raises
    ------
    KaryoscopeError
        If ``by`` is neither ``"cohort"`` nor ``"source"``.
    """
    if by not in GROUPINGS:
        raise KaryoscopeError(f"by must be {' or '.join(GROUPINGS)}, not {by!r}")
    if by == "cohort":
        return evaluation.by_cohort()
    groups: dict[str, Evaluation] = {}
    for source in sorted({s for part in evaluation.parts.values() for s in part.sources}):
        groups[source] = Evaluation(evaluation.protocol.name, evaluation.taxonomy, evaluation.mpp)
        for name, part in evaluation.parts.items():
            images = np.flatnonzero(np.array(part.sources) == source)
            groups[source].parts[name] = part.take(images)
    return groups
