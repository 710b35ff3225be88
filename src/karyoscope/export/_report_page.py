"""The page of a report, laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from karyoscope._page import legend, page, picture, warning_box
from karyoscope._svg import GRID, INK, MUTED, line, nice_axis, rgb, svg, text
from karyoscope.export._heatmap import RAMP
from karyoscope.export._report_style import STYLE

_BARS = 30


@dataclass(frozen=True)
class HeatMap:
    """Density of one class.

    Attributes
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
    most : float
        Greatest density, per mm².
    """

    picture: np.ndarray
    most: float


@dataclass(frozen=True)
class Pictures:
    """What a report shows.

    Attributes
    ----------
    whole : ndarray of uint8, shape (h, w, 3)
        The slide with its nuclei.
    heat_maps : dict of str to HeatMap
        By class.
    bin_um : float
        Edge of the bins that densities are counted in.
    """

    whole: np.ndarray
    heat_maps: Mapping[str, HeatMap]
    bin_um: float


def report_page(
    summary: Mapping[str, Any], pictures: Pictures, sizes: Mapping[str, np.ndarray]
) -> str:
    """Lay the report of a slide out.

    Parameters
    ----------
    summary : mapping
        From :meth:`karyoscope.export.summary.SummaryWriter.summary`.
    pictures : Pictures
    sizes : dict of str to ndarray of int
        Nuclei of a class by area, in steps of 1 µm²; the last are all that are larger.

    Returns
    -------
    str
        HTML.
    """
    sections = (
        _header(summary),
        warning_box(summary["warnings"]),
        _cards(summary),
        _whole(summary, pictures),
        _classes(summary, sizes),
        _heat_maps(summary, pictures),
        _sizes(summary, sizes),
        _provenance(summary),
    )
    return page(f"{summary['slide']}: nuclei", "".join(sections), STYLE)


def _header(summary: Mapping[str, Any]) -> str:
    width, height = (
        n * mpp / 1000 for n, mpp in zip(summary["size"], summary["mpp_axes"], strict=True)
    )
    model = summary["model"]
    named = escape(f"{model['name']} {model['version']}".strip())
    by = f", model {named}" if named else ""
    return (
        f"<header><h1>{escape(summary['slide'])}</h1><p>{width:.3g} × {height:.3g} mm at"
        f" {summary['mpp']:.4g} µm per pixel{by}</p></header>"
    )


def _cards(summary: Mapping[str, Any]) -> str:
    cards = (
        ("Nuclei", f"{summary['nuclei']:,}", "found, outlined and classified"),
        ("Density", _shown(summary["density_per_mm2"], ",.0f"), "nuclei per mm²"),
        ("Analysed", f"{summary['analysed_mm2']:.3g}", "mm²"),
        ("Mean area", _shown(summary["mean_area_um2"], ".1f"), "µm² a nucleus"),
    )
    items = "".join(
        f'<div class="card"><b>{name}</b><span>{value}</span><small>{unit}</small></div>'
        for name, value, unit in cards
    )
    return f'<div class="cards">{items}</div>'


def _whole(summary: Mapping[str, Any], pictures: Pictures) -> str:
    marks = []
    if summary["unread_regions"] or summary["failed_regions"]:
        marks.append("Red frames: could not be read or analysed; no nuclei are known there.")
    if summary["run"].get("roi"):
        marks.append("Dark frame: the region that was analysed.")
    present = [(c["name"], tuple(c["color"])) for c in summary["classes"] if c["count"]]
    note = legend(present) + (f"<figcaption>{' '.join(marks)}</figcaption>" if marks else "")
    shown = picture(pictures.whole, "the slide with the nuclei in the colours of their classes")
    return f'<figure class="whole">{shown}{note}</figure>'


def _classes(summary: Mapping[str, Any], sizes: Mapping[str, np.ndarray]) -> str:
    greatest = max((c["share"] or 0 for c in summary["classes"]), default=0) or 1
    rows = "".join(_class_row(c, sizes[c["name"]], greatest) for c in summary["classes"])
    total = np.sum(list(sizes.values()), axis=0)
    return (
        "<h2>Classes</h2><table class='classes'><thead><tr><th></th><th>nuclei</th>"
        "<th colspan='2'>share</th><th>per mm²</th><th>mean area µm²</th><th>median area µm²</th>"
        f"</tr></thead><tbody>{rows}</tbody><tfoot><tr><th>all</th><td>{summary['nuclei']:,}</td>"
        f"<td></td><td></td><td>{_shown(summary['density_per_mm2'], ',.0f')}</td>"
        f"<td>{_shown(summary['mean_area_um2'], '.1f')}</td><td>{_shown(_median(total), '.0f')}"
        "</td></tr></tfoot></table>"
    )


def _class_row(row: Mapping[str, Any], sizes: np.ndarray, greatest: float) -> str:
    share = row["share"] or 0
    color = rgb(row["color"])
    return (
        f"<tr><th>{_swatch(row)}</th><td>{row['count']:,}</td><td>{100 * share:.1f} %</td>"
        f"<td class='bar'><i style='width:{100 * share / greatest:.1f}%;background:{color}'></i>"
        f"</td><td>{_shown(row['density_per_mm2'], ',.0f')}</td>"
        f"<td>{_shown(row['mean_area_um2'], '.1f')}</td>"
        f"<td>{_shown(_median(sizes), '.0f')}</td></tr>"
    )


def _swatch(row: Mapping[str, Any]) -> str:
    return f"<i class='dot' style='background:{rgb(row['color'])}'></i>{escape(row['name'])}"


def _heat_maps(summary: Mapping[str, Any], pictures: Pictures) -> str:
    ramp = ", ".join(rgb(color) for color in RAMP)
    panels = ""
    for row in summary["classes"]:
        heat_map = pictures.heat_maps[row["name"]]
        if row["count"] == 0:
            continue
        shown = picture(heat_map.picture, f"density of {row['name']} over the slide")
        panels += (
            f"<figure><figcaption><b>{_swatch(row)}</b> {row['count']:,}</figcaption>{shown}"
            f"<div class='ramp'><span>0</span><i style='background:linear-gradient(90deg, {ramp})'>"
            f"</i><span>{heat_map.most:,.0f} per mm²</span></div></figure>"
        )
    if not panels:
        return ""
    return (
        f"<h2>Where they are</h2><div class='panels'>{panels}</div><p>Nuclei per mm² in squares of"
        f" {pictures.bin_um:g} µm, smoothed over the neighbouring squares. Every class has a scale"
        " of its own, from none to its densest place.</p>"
    )


def _sizes(summary: Mapping[str, Any], sizes: Mapping[str, np.ndarray]) -> str:
    present = [row for row in summary["classes"] if row["count"]]
    if not present:
        return ""
    total = np.cumsum(np.sum(list(sizes.values()), axis=0))
    reached = int(np.searchsorted(total, 0.99 * total[-1])) + 1
    step = max(1, -(-reached // _BARS))
    panels = "".join(
        f"<figure><figcaption><b>{_swatch(row)}</b></figcaption>"
        f"{_histogram(row, sizes[row['name']], step)}</figure>"
        for row in present
    )
    return (
        f"<h2>How large they are</h2><div class='panels'>{panels}</div><p>Area in µm², in steps of"
        f" {step} µm²; up: number of nuclei. The last column holds all that are larger. The line"
        " marks the median.</p>"
    )


def _histogram(row: Mapping[str, Any], sizes: np.ndarray, step: int) -> str:
    last = step * (_BARS - 1)
    counts = np.append(sizes[:last].reshape(-1, step).sum(1), sizes[last:].sum())
    left, top, width, height = 44, 8, 250, 110
    most, tick = nice_axis(float(max(counts.max(), 1)))
    bar = width / _BARS
    parts = []
    for value in np.arange(0, most + tick / 2, tick):
        y = top + height - value / most * height
        parts.append(line(left, y, left + width, y, GRID))
        parts.append(text(left - 6, y + 4, f"{value:,.0f}", "end", MUTED))
    for k, count in enumerate(counts.tolist()):
        tall = count / most * height
        parts.append(
            f'<rect x="{left + k * bar + 0.5:.1f}" y="{top + height - tall:.1f}"'
            f' width="{bar - 1:.1f}" height="{tall:.1f}" fill="{rgb(row["color"])}"'
            f' stroke="{INK}" stroke-opacity="0.25" stroke-width="0.5"/>'
        )
    median = _median(sizes)
    if median is not None:
        x = left + min(median / step, _BARS - 0.5) * bar
        parts.append(line(x, top, x, top + height, INK, 1.5))
    for k in range(0, _BARS + 1, 10):
        parts.append(text(left + k * bar, top + height + 18, f"{k * step}", "middle", MUTED))
    return svg(left + width + 16, top + height + 24, f"areas of {row['name']}", parts)


def _median(sizes: np.ndarray) -> float | None:
    """Median area, to the middle of a step of 1 µm²; None without nuclei."""
    total = np.cumsum(sizes)
    return float(np.searchsorted(total, total[-1] / 2)) + 0.5 if total[-1] else None


def _provenance(summary: Mapping[str, Any]) -> str:
    model = summary["model"]
    rows = {
        "slide": summary["slide"],
        "size": "{} × {} pixels".format(*summary["size"]),
        "pixel": "{:.5g} × {:.5g} µm".format(*summary["mpp_axes"]),
        "model": f"{model['name']} {model['version']}",
        "licence of the model": model["licence"],
        "software": summary["software"],
    }
    run = {k: v for k, v in summary["run"].items() if k not in ("slide", "model", "software")}
    sums = {k: v for k, v in summary["run"].get("model", {}).items() if k not in model}
    rows |= dict(_flat({"model": sums, **run}))
    if summary["seconds"]:
        rows["seconds"] = ", ".join(f"{k} {v:.1f}" for k, v in summary["seconds"].items())
    items = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
        if value not in ("", None)
    )
    return (
        f"<h2>How this was made</h2><table class='provenance'>{items}</table><p>Found by a trained"
        " model, not by a person: for research, not for diagnosis.</p>"
    )


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


def _shown(value: float | None, spec: str) -> str:
    return "" if value is None else format(value, spec)
