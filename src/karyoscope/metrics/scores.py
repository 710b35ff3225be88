"""What a score declares of itself: every table, page and comparison reads it from here."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """One number that a metric gives.

    Attributes
    ----------
    name : str
        Key in the results of the metric.
    title : str
        The score as the field writes it, such as ``"PQ"``.
    mean_over : str
        What the score is a mean over, such as ``"images"`` or ``"classes"``. Empty for a score
        that is computed once, from the counts of the whole set.
    definition : str
        What else a reader must know, in a few words; empty where the title says it.
    digits : int
        Decimals that are shown.
    higher_is_better : bool or None
        Direction of the score. None for a count, which is neither good nor bad.
    range : tuple of float
        Least and greatest value that the score can have.
    short : str
        Title in narrow columns; the title itself where it is empty.
    listed : bool
        Whether tables and pages show the score. Results hold it in any case.
    """

    name: str
    title: str
    mean_over: str = ""
    definition: str = ""
    digits: int = 3
    higher_is_better: bool | None = True
    range: tuple[float, float] = (0.0, 1.0)
    short: str = ""
    listed: bool = True

    @property
    def narrow(self) -> str:
        """Title in narrow columns."""
        return self.short or self.title

    @property
    def is_count(self) -> bool:
        """Whether the score is a number of nuclei, and no measure of quality."""
        return self.higher_is_better is None


def count_score(name: str, title: str = "", listed: bool = False) -> Score:
    """Declare a number of nuclei, which tables show only if it is listed.

    Examples
    --------
    >>> count_score("tp").is_count, count_score("tp").listed
    (True, False)
    """
    return Score(
        name,
        title or name,
        digits=0,
        higher_is_better=None,
        range=(0.0, math.inf),
        listed=listed,
    )
