"""Two evaluations of the same images: the paired difference, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_json
from karyoscope.metrics import Evaluation, from_json
from karyoscope.metrics.stored import plain


@dataclass(frozen=True)
class Comparison:
    """Difference of two evaluations: the second minus the first.

    Attributes
    ----------
    first, second : Evaluation
    difference : dict
        By metric ``{"difference", "low", "high"}``; ``classes`` by name and metric.
    """

    first: Evaluation
    second: Evaluation
    difference: dict[str, Any]

    @property
    def remark(self) -> str:
        """Why the scores of classes are left out, in one line; empty where they are not."""
        first, second = self.first, self.second
        if first.class_names == second.class_names:
            return ""
        return (
            "Scores that depend on classes are left out: the first run was scored with"
            f" {first.class_set}, the second with {second.class_set}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data: by metric ``first``, ``second``, ``difference``, ``low``, ``high``.

        ``remark`` is there where the scores of classes are left out.
        """
        first, second = self.first.scores, self.second.scores
        result: dict[str, Any] = _beside(first, second, self.difference)
        if "classes" in self.difference:
            result["classes"] = {
                name: _beside(first["classes"][name], second["classes"][name], of_class)
                for name, of_class in self.difference["classes"].items()
            }
        about = {"protocol": self.first.protocol.name, "images": len(self.first)}
        if self.remark:
            about["remark"] = self.remark
        return plain(about | result)


def compare_files(first: str | Path, second: str | Path) -> Comparison:
    """Compare two evaluations that were written to files; see :func:`compare`.

    Parameters
    ----------
    first, second : path
        ``evaluation.json`` of a run, or the folder that holds it.
    """
    return compare(read_evaluation(first), read_evaluation(second))


def compare(first: Evaluation, second: Evaluation, *, samples: int = 1000) -> Comparison:
    """Compare two runs on the same images.

    Parameters
    ----------
    first, second : Evaluation
        Two evaluations of the same images, by the same protocol. Where the classes differ, the
        scores that do not depend on them are compared.
    samples : int
        Number of bootstrap samples of source images; both runs are scored on the same samples.

    Returns
    -------
    Comparison

    Raises
    ------
    KaryoscopeError
        If the two cannot be paired.
    """
    return Comparison(first, second, first.difference(second, samples=samples))


def read_evaluation(path: str | Path) -> Evaluation:
    """Read ``evaluation.json``, its folder, or what ``karyoscope evaluate --json`` printed.

    Raises
    ------
    KaryoscopeError
        If the file is missing or is something else.
    """
    if Path(path).is_dir():
        path = Path(path) / "evaluation.json"
    try:
        data = read_json(path)
        if not isinstance(data, dict):
            raise ValueError("not an object")
    except (KaryoscopeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise KaryoscopeError(f"{path}: not readable as an evaluation ({reason})") from error
    try:
        return from_json(data)
    except KaryoscopeError as error:
        raise KaryoscopeError(f"{path}: {error}") from error


def _beside(
    first: dict[str, Any], second: dict[str, Any], difference: dict[str, Any]
) -> dict[str, Any]:
    return {
        name: {"first": first[name], "second": second[name], **value}
        for name, value in difference.items()
        if name != "classes"
    }
