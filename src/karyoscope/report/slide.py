"""The page about one slide: picture, counts, density maps, area distribution, methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from karyoscope.core.faults import KINDS
from karyoscope.features.immune import COLUMNS as IMMUNE
from karyoscope.formats import SlideFigures
from karyoscope.report.density import RAMP, paint_density
from karyoscope.report.figures import histogram_figure
from karyoscope.report.page import hex_color, render
from karyoscope.slides.scale import MPP_SOURCES

_COLUMNS = 30
_MOST_REGIONS = 100


def slide_page(figures: SlideFigures) -> str:
    """Lay the report of a slide out.

    Parameters
    ----------
    figures : SlideFigures
        What :class:`karyoscope.formats.report.writer.ReportWriter` collected.

    Returns
    -------
    str
        HTML.
    """
    summary = figures.summary
    present = [row for row in summary["classes"] if row["count"]]
    return render(
        "slide.html.j2",
        summary=summary,
        millimetres=[
            n * mpp / 1000 for n, mpp in zip(summary["size"], summary["mpp_axes"], strict=True)
        ],
        model="{name} {version}".format(**summary["model"]).strip(),
        cards=_cards(summary),
        whole=figures.whole,
        tissue=figures.tissue,
        quality=figures.quality,
        spatial=_spatial(summary),
        shade=_shade,
        faults=[(KINDS[row["kind"]], row) for row in summary.get("quality", [])],
        greatest=max((row["share"] or 0 for row in summary["classes"]), default=0) or 1,
        present=present,
        medians={name: median_area(areas) for name, areas in figures.areas.items()},
        median=median_area(np.sum(list(figures.areas.values()), axis=0)),
        density_maps=[(row, *_density_map(row["name"], figures)) for row in present],
        ramp=", ".join(hex_color(color) for color in RAMP),
        bin_um=figures.bin_um,
        **_histograms(present, figures.areas),
        methods=_methods(summary),
        shown=figures.shown,
        regions=_listed(summary.get("regions", [])),
        drawn=sum(row["kind"] == "annotation" for row in summary.get("regions", [])),
        panels=[
            (row, figures.regions[row["region"]])
            for row in summary.get("regions", [])
            if row["region"] in figures.regions and row["kind"] == "annotation"
        ],
    )


def _spatial(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Immune scores with their definitions, and a table of pairs; None where not asked for."""
    scores = summary.get("spatial")
    if not scores:
        return None
    names = list(dict.fromkeys(row["from"] for row in scores["pairs"]))
    immune = scores.get("immune", {})
    return {
        "immune": [(immune[n], unit, text) for n, (unit, text) in IMMUNE.items() if n in immune],
        "names": [row for row in summary["classes"] if row["name"] in names],
        "pairs": {(row["from"], row["to"]): row for row in scores["pairs"]},
    }


def _shade(ratio: float | None) -> str:
    """Colour of a ratio: orange above 1, blue below, white at 1."""
    if ratio is None:
        return "#ffffff"
    strength = min(1.0, abs(math.log2(max(ratio, 1e-3))) / 3)
    full = np.array((230, 120, 0) if ratio > 1 else (60, 120, 200))
    red, green, blue = (255 + 0.6 * strength * (full - 255)).astype(int).tolist()
    return hex_color((red, green, blue))


def _listed(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the table of regions: the first annotations, and all sums."""
    first = [row for row in rows if row["kind"] == "annotation"][:_MOST_REGIONS]
    listed = first + [row for row in rows if row["kind"] != "annotation"]
    return [row | {"by_class": {c["name"]: c for c in row["classes"]}} for row in listed]


def _cards(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and unit of the numbers at the top."""
    density, area = summary["density_per_mm2"], summary["mean_area_um2"]
    tissue = summary.get("tissue_mm2")
    return [
        ("Nuclei", f"{summary['nuclei']:,}", "found, outlined and classified"),
        ("Density", "" if density is None else f"{density:,.0f}", "nuclei per mm² of tissue"),
        ("Tissue", "" if tissue is None else f"{tissue:.3g}", "mm²"),
        ("Analysed", f"{summary['analysed_mm2']:.3g}", "mm², glass included"),
        ("Mean area", "" if area is None else f"{area:.1f}", "µm² per nucleus"),
    ]


def _density_map(name: str, figures: SlideFigures) -> tuple[np.ndarray, float]:
    """Picture, and the greatest density."""
    density = figures.densities[name]
    picture = paint_density(density, figures.ground, figures.bin_um, figures.extent_um)
    return picture, float(density.max())


def _histograms(
    present: list[Mapping[str, Any]], areas: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Histograms of the areas of each class, all with the same step."""
    if not present:
        return {"histograms": [], "step": 1}
    total = np.cumsum(np.sum(list(areas.values()), axis=0))
    reached = int(np.searchsorted(total, 0.99 * total[-1])) + 1
    step = max(1, -(-reached // _COLUMNS))
    last = step * (_COLUMNS - 1)
    histograms = []
    for row in present:
        of_class = areas[row["name"]]
        counts = np.append(of_class[:last].reshape(-1, step).sum(1), of_class[last:].sum())
        title = f"Areas of {row['name']} nuclei"
        figure = histogram_figure(counts, step, median_area(of_class), row["color"], title)
        histograms.append((row, figure))
    return {"histograms": histograms, "step": step}


def median_area(areas: np.ndarray) -> float | None:
    """Median area from counts in steps of 1 µm², as if even within a step; None without nuclei."""
    total = np.cumsum(areas)
    if not total[-1]:
        return None
    step = int(np.searchsorted(total, total[-1] / 2))
    before = total[step] - areas[step]
    return float(step + (total[-1] / 2 - before) / areas[step])


def _methods(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of everything that the result depends on, empty values left out."""
    model = summary["model"]
    rows = {
        "slide": summary["slide"],
        "size": "{} × {} pixels".format(*summary["size"]),
        "pixel size": "{:.5g} × {:.5g} µm".format(*summary["mpp_axes"]),
        "pixel size from": MPP_SOURCES.get(summary.get("mpp_source", ""), ""),
        "model": f"{model['name']} {model['version']}",
        "licence of the model": model["licence"],
        "about the model": "; ".join(summary.get("notes", ())),
        "software": summary["software"],
    }
    run = {k: v for k, v in summary["run"].items() if k not in ("slide", "model", "software")}
    sums = {k: v for k, v in summary["run"].get("model", {}).items() if k not in model}
    rows |= dict(_flat({"model": sums, **run}))
    if summary["seconds"]:
        rows["seconds"] = ", ".join(f"{k} {v:.1f}" for k, v in summary["seconds"].items())
    return [(name, str(value)) for name, value in rows.items() if value not in ("", None)]


def _flat(settings: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Settings by name, those inside others as ``outer, inner``."""
    found = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{above}{name}, ")
        elif value is not None:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append((above + name, shown))
    return found
