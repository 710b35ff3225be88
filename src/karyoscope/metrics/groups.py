"""Do groups of patients differ? Rank tests of one value a patient, with effect sizes.

A patient has thousands of nuclei, which are no independent observations: their number would make
any difference significant. So every patient, or whatever unit the caller has, counts once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

LEVEL = 0.05
"""Level of significance that remarks refer to."""

_FEW = 5


@dataclass(frozen=True)
class GroupComparison:
    """Result of the test of one value.

    Attributes
    ----------
    measure : str
        Name of the value.
    groups : mapping of str to tuple of float
        Values of the units of each group, sorted.
    test : str
        ``Mann-Whitney U`` for two groups, ``Kruskal-Wallis H`` for more; empty where there is
        none.
    statistic, p : float or None
        Statistic of the test and its two-sided probability without a difference; None where there
        is no test.
    p_adjusted : float or None
        ``p`` adjusted for all values that are tested together (Benjamini & Hochberg 1995, false
        discovery rate).
    effect_name : str
        ``rank-biserial r`` for two groups: share of pairs in which the value of the first group
        is greater minus share in which it is less, -1 to 1 (equal to Cliff's delta).
        ``epsilon squared`` for more: H / (n - 1), 0 to 1 (Tomczak & Tomczak 2014).
    effect : float or None
    remark : str
        What limits the test; empty where nothing does.
    """

    measure: str
    groups: Mapping[str, tuple[float, ...]]
    test: str = ""
    statistic: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    effect_name: str = ""
    effect: float | None = None
    remark: str = ""


def compare_groups(
    values: Mapping[str, Sequence[tuple[str, float | None]]],
) -> list[GroupComparison]:
    """Compare groups of independent units, value by value.

    Parameters
    ----------
    values : mapping of str to sequence of (str, float or None)
        For each measure the group and the value of every unit, such as a patient. A unit whose
        value is None or not finite does not count.

    Returns
    -------
    list of GroupComparison
        In the order of the measures, ``p_adjusted`` over all that could be tested.

    Examples
    --------
    >>> units = [("a", 1.0), ("a", 2.0), ("a", 3.0), ("b", 4.0), ("b", 5.0), ("b", 6.0)]
    >>> (found,) = compare_groups({"density": units})
    >>> found.test, found.p, found.effect
    ('Mann-Whitney U', 0.1, -1.0)
    >>> found.remark
    'too few units: no difference between 3 and 3 could give p below 0.1'
    """
    found = [_compare(measure, pairs) for measure, pairs in values.items()]
    tested = [k for k, one in enumerate(found) if one.p is not None]
    if tested:
        from scipy.stats import false_discovery_control

        adjusted = false_discovery_control([found[k].p for k in tested])
        for k, p in zip(tested, adjusted.tolist(), strict=True):
            found[k] = replace(found[k], p_adjusted=p)
    return found


def _compare(measure: str, pairs: Sequence[tuple[str, float | None]]) -> GroupComparison:
    groups: dict[str, list[float]] = {}
    for group, value in pairs:
        known = groups.setdefault(group, [])
        if value is not None and math.isfinite(value):
            known.append(float(value))
    ordered = {name: tuple(sorted(groups[name])) for name in sorted(groups)}
    plain = GroupComparison(measure, ordered)
    sizes = {name: len(found) for name, found in ordered.items()}
    if len(sizes) < 2:
        return replace(plain, remark="only one group")
    if min(sizes.values()) < 2:
        lacking = " and ".join(repr(name) for name, n in sizes.items() if n < 2)
        return replace(plain, remark=f"not tested: fewer than two values in {lacking}")
    pooled = np.concatenate(list(ordered.values()))
    if (pooled == pooled[0]).all():
        return replace(plain, remark="not tested: all values are equal")
    return _two(plain) if len(sizes) == 2 else _several(plain)


def _two(plain: GroupComparison) -> GroupComparison:
    from scipy.stats import mannwhitneyu

    first, second = plain.groups.values()
    n, m = len(first), len(second)
    result = mannwhitneyu(first, second)
    least = 2 / math.comb(n + m, n)
    tied = len(set(first + second)) < n + m
    remark = "ties: p is approximate" if tied and max(n, m) <= 8 else ""
    if least > LEVEL:
        remark = f"too few units: no difference between {n} and {m} could give p below {least:.2g}"
    return replace(
        plain,
        test="Mann-Whitney U",
        statistic=float(result.statistic),
        p=float(result.pvalue),
        effect_name="rank-biserial r",
        effect=float(2 * result.statistic / (n * m) - 1),
        remark=remark,
    )


def _several(plain: GroupComparison) -> GroupComparison:
    from scipy.stats import kruskal

    result = kruskal(*plain.groups.values())
    few = [name for name, found in plain.groups.items() if len(found) < _FEW]
    named = ", ".join(map(repr, few))
    return replace(
        plain,
        test="Kruskal-Wallis H",
        statistic=float(result.statistic),
        p=float(result.pvalue),
        effect_name="epsilon squared",
        effect=float(result.statistic / (sum(map(len, plain.groups.values())) - 1)),
        remark=f"too few units for this p to be exact: fewer than {_FEW} in {named}" if few else "",
    )
