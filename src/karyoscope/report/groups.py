"""Groups of a cohort compared: slides pooled by patient, tested, and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from karyoscope.formats.summaries.regions import csv_text
from karyoscope.report.page import hex_color
from karyoscope.report.spellings import spelling_remarks
from karyoscope.report.svg import GRID, INK, MUTED, circle, line, svg, text

if TYPE_CHECKING:
    from karyoscope.metrics.groups import GroupComparison

GROUP, PATIENT = "group", "patient"
NAME = "cohort.groups.csv"

#: Immune scores, and the area by which they are averaged over the slides of a patient.
_IMMUNE = {
    "immune_epithelium_per_mm2": "epithelium_mm2",
    "immune_edge_per_mm2": "stroma_mm2",
    "immune_beyond_per_mm2": "stroma_mm2",
    "stromal_til_percent": "stroma_mm2",
}
_COLORS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233))
_MOST_FIGURES = 9


@dataclass(frozen=True)
class GroupReport:
    """Comparison of the groups of a cohort.

    Attributes
    ----------
    comparisons : list of GroupComparison
        One for each measure.
    unit : str
        ``patient``, or ``slide`` where the sheet does not name patients.
    remarks : list of str
        Remarks on the comparison.
    warnings : list of str
        Remarks that are also printed.
    """

    comparisons: list[GroupComparison]
    unit: str
    remarks: list[str]
    warnings: list[str] = field(default_factory=list)


def group_report(
    slides: Sequence[Mapping[str, Any]], regions: Sequence[Mapping[str, Any]]
) -> GroupReport | None:
    """Compare the groups that a sample sheet names in its column ``group``.

    Slides of one ``patient`` are pooled: densities are the sum of nuclei by the sum of tissue,
    shares the sum of a class by the sum of all. Immune scores, if there are some, are means that
    the epithelium or the stroma of the slides weights. Annotations are compared by their class.

    Parameters
    ----------
    slides : sequence of mapping
        Result of :func:`karyoscope.formats.cohort.cohort_rows`.
    regions : sequence of mapping
        Result of :func:`karyoscope.formats.cohort.cohort_regions`.

    Returns
    -------
    GroupReport or None
        None where no slide has a group.
    """
    group, patient = (_column(slides, name) for name in (GROUP, PATIENT))
    known = [row for row in slides if row["status"] != "failed" and group and row.get(group)]
    if not known or group is None:
        return None
    unit = PATIENT if patient and any(row.get(patient) for row in known) else "slide"
    remarks = []
    if unit == "slide":
        remarks.append(
            "No column `patient` in the sample sheet: every slide counts as a patient of its own."
            " Several slides of one patient are no independent observations."
        )
    unit_of: dict[str, str] = {}
    group_of: dict[str, set[str]] = {}
    for row in known:
        name = (patient and row.get(patient)) or row["result"]
        unit_of[row["result"]] = name
        group_of.setdefault(name, set()).add(row[group])
    warnings = spelling_remarks("groups", (row[group] for row in known))
    if unit == PATIENT:
        warnings += spelling_remarks("patients", unit_of.values())
    remarks += warnings
    mixed = sorted(name for name, groups in group_of.items() if len(groups) > 1)
    if mixed:
        shown = ", ".join(mixed[:5])
        remarks.append(
            f"Left out: {len(mixed)} patients that are in several groups ({shown}). Groups that"
            " share patients are not independent; compare them as pairs."
        )
    left_out = sum(row["status"] != "failed" for row in slides) - len(known)
    if left_out:
        remarks.append(f"Left out: {left_out} slides without a group.")
    incomplete = sum(row["status"] == "incomplete" for row in known)
    if incomplete:
        remarks.append(f"{incomplete} slides are incomplete; what was analysed of them counts.")
    of_unit = {
        result: (name, next(iter(group_of[name])))
        for result, name in unit_of.items()
        if name not in mixed
    }
    values = _measures([row for row in known if row["result"] in of_unit], of_unit, "")
    for kind in dict.fromkeys(row["class"] for row in regions if row["kind"] == "class"):
        of_kind = [
            row
            for row in regions
            if row["kind"] == "class" and row["class"] == kind and row["result"] in of_unit
        ]
        values |= _measures(of_kind, of_unit, f"{kind}: ")
    # Only now: a run without groups does not wait for the metrics to be loaded.
    from karyoscope.metrics.groups import compare_groups

    comparisons = compare_groups(values)
    said = [one.remark for one in comparisons if one.p is not None]
    # What limits most of the tests is said once, where it cannot be overlooked.
    common = max(said, key=said.count, default="")
    if common and said.count(common) > len(said) / 2:
        remarks.append(f"{common[0].upper()}{common[1:]}.")
    return GroupReport(comparisons, unit, remarks, warnings)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> str | None:
    """Column of that name, in upper or lower case."""
    return next((c for row in rows for c in row if c.lower() == name), None)


def _measures(
    rows: Sequence[Mapping[str, Any]], of_unit: Mapping[str, tuple[str, str]], before: str
) -> dict[str, list[tuple[str, float | None]]]:
    """Values of each unit with its group, pooled over its rows, by measure."""
    pooled: dict[str, list[Mapping[str, Any]]] = {}
    groups = dict(of_unit.values())
    for row in rows:
        pooled.setdefault(of_unit[row["result"]][0], []).append(row)
    classes = [
        name.removeprefix("count_")
        for name in dict.fromkeys(n for row in rows for n in row if n.startswith("count_"))
    ]
    found: dict[str, list[tuple[str, float | None]]] = {}

    def add(measure: str, unit: str, value: float | None) -> None:
        found.setdefault(before + measure, []).append((groups[unit], value))

    for unit, own in pooled.items():
        measured = [row for row in own if row["tissue_mm2"] is not None]
        tissue = sum(row["tissue_mm2"] for row in measured)
        nuclei = sum(row["nuclei"] for row in own)
        area = sum((row["mean_area_um2"] or 0) * row["nuclei"] for row in own)
        add("density_per_mm2", unit, _ratio(sum(row["nuclei"] for row in measured), tissue))
        add("mean_area_um2", unit, _ratio(area, nuclei))
        for name in classes:
            count = f"count_{name}"
            of_class = sum(row.get(count) or 0 for row in measured)
            add(f"density_{name}_per_mm2", unit, _ratio(of_class, tissue))
            add(f"share_{name}", unit, _ratio(sum(row.get(count) or 0 for row in own), nuclei))
        for score, area_of in _IMMUNE.items():
            if any(score in row for row in rows):
                add(score, unit, _weighted(own, score, area_of))
    return found


def _weighted(rows: Sequence[Mapping[str, Any]], score: str, by: str) -> float | None:
    """Mean of a score over the rows that have it, weighted by an area of theirs."""
    known = [row for row in rows if row.get(score) is not None and row.get(by)]
    return _ratio(sum(row[score] * row[by] for row in known), sum(row[by] for row in known))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def groups_csv(report: GroupReport) -> str:
    """Every comparison as a row of CSV."""
    rows = []
    for one in report.comparisons:
        row: dict[str, Any] = {"measure": one.measure, "unit": report.unit}
        for name, values in one.groups.items():
            row[f"n_{name}"] = len(values)
            row[f"median_{name}"] = float(np.median(values)) if values else None
            for quarter, share in (("q1", 25), ("q3", 75)):
                row[f"{quarter}_{name}"] = float(np.percentile(values, share)) if values else None
        named = ("test", "statistic", "p", "p_adjusted", "effect_name", "effect", "remark")
        rows.append(row | {name: getattr(one, name) for name in named})
    return csv_text(rows)


def group_figures(report: GroupReport) -> list[tuple[GroupComparison, Markup]]:
    """Comparison and figure of the measures with the smallest p, a dot a unit."""
    ranked = sorted(
        (one for one in report.comparisons if any(one.groups.values())),
        key=lambda one: 2.0 if one.p is None else one.p,
    )
    return [(one, strip_figure(one)) for one in ranked[:_MOST_FIGURES]]


def strip_figure(one: GroupComparison) -> Markup:
    """Draw the values of each group as dots, the median as a line.

    Parameters
    ----------
    one : GroupComparison
        Some group has a value.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    left, top, height, step = 58, 10, 150, 82
    width = step * len(one.groups)
    most = max((v for values in one.groups.values() for v in values), default=0.0)
    most = most if most > 0 else 1.0

    def place(value: float) -> float:
        return top + height * (1 - value / most)

    parts = []
    for share in (0, 0.5, 1):
        y = place(share * most)
        parts.append(line(left, y, left + width, y, GRID))
        parts.append(text(left - 8, y + 4, _number(share * most), "end", MUTED))
    for number, (name, values) in enumerate(one.groups.items()):
        x = left + step * (number + 0.5)
        color = _COLORS[number % len(_COLORS)]
        for k, value in enumerate(values):
            # Spread sideways in a fixed order, so that equal values stay apart.
            parts.append(circle(x + 7 * (k % 5 - 2), place(value), 4.5, color, 0.7))
        if values:
            middle = place(float(np.median(values)))
            parts.append(line(x - 26, middle, x + 26, middle, INK, 2))
        shown = name if len(name) <= 11 else name[:10] + "…"
        parts.append(text(x, top + height + 20, shown, "middle", hex_color(color)))
        parts.append(text(x, top + height + 36, f"n = {len(values)}", "middle", MUTED))
    return svg(left + width + 10, top + height + 44, f"{one.measure} by group", parts)
