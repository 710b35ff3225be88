"""The page about one slide: picture, counts, density maps, area distribution, methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from karyoscope.export import SlideFigures
from karyoscope.report.density import RAMP, paint_density
from karyoscope.report.figures import histogram_figure
from karyoscope.report.page import hex_color, render

_COLUMNS = 30


def slide_page(figures: SlideFigures) -> str:
    """Lay the report of a slide out.

    Parameters
    ----------
    figures : SlideFigures
        What :class:`karyoscope.export.report.ReportWriter` collected.

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
        greatest=max((row["share"] or 0 for row in summary["classes"]), default=0) or 1,
        present=present,
        medians={name: _median(areas) for name, areas in figures.areas.items()},
        median=_median(np.sum(list(figures.areas.values()), axis=0)),
        density_maps=[(row, *_density_map(row["name"], figures)) for row in present],
        ramp=", ".join(hex_color(color) for color in RAMP),
        bin_um=figures.bin_um,
        **_histograms(present, figures.areas),
        methods=_methods(summary),
    )


def _cards(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and unit of the numbers at the top."""
    density, area = summary["density_per_mm2"], summary["mean_area_um2"]
    return [
        ("Nuclei", f"{summary['nuclei']:,}", "found, outlined and classified"),
        ("Density", "" if density is None else f"{density:,.0f}", "nuclei per mm²"),
        ("Analysed", f"{summary['analysed_mm2']:.3g}", "mm²"),
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
        figure = histogram_figure(counts, step, _median(of_class), row["color"], title)
        histograms.append((row, figure))
    return {"histograms": histograms, "step": step}


def _median(areas: np.ndarray) -> float | None:
    """Median area, to the middle of a step of 1 µm²; None without nuclei."""
    total = np.cumsum(areas)
    return float(np.searchsorted(total, total[-1] / 2)) + 0.5 if total[-1] else None


def _methods(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of everything that the result depends on, empty values left out."""
    model = summary["model"]
    rows = {
        "slide": summary["slide"],
        "size": "{} × {} pixels".format(*summary["size"]),
        "pixel size": "{:.5g} × {:.5g} µm".format(*summary["mpp_axes"]),
        "model": f"{model['name']} {model['version']}",
        "licence of the model": model["licence"],
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
