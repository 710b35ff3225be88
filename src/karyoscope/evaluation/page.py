"""The figure page of an evaluation: one HTML file that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from karyoscope import _page
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.evaluation.drawing import draw_tile
from karyoscope.evaluation.figures import Bar, interval_figure, scatter_figure
from karyoscope.evaluation.pictures import LEAST_NUCLEI, Pictures, Tile
from karyoscope.evaluation.table import (
    TITLES,
    convention_lines,
    groups_columns,
    how_many,
    interval,
    number,
    shown,
    unit,
)

_ALL = (90, 98, 107)
_FEW_SOURCES = 10
#: How the scores of classes come about, by protocol.
_MEANS = {
    "conic": "from the counts of the whole set",
    "hovernet": "from the counts of the whole set",
    "pannuke": "mean over those that have the class",
    "qu": "likewise",
}
_HEADLINES = (
    *("pq", "dq", "sq", "mpq_plus", "bpq", "mpq", "f1", "f_d", "f_c"),
    *("object_dice", "r2", "dice", "aji"),
)


def evaluation_page(data: dict[str, Any], pictures: Pictures) -> str:
    """Lay the figure page out.

    Parameters
    ----------
    data : dict
        From :meth:`karyoscope.evaluation.Outcome.to_dict`.
    pictures : Pictures
        What was collected on the way.

    Returns
    -------
    str
        HTML.
    """
    taxonomy = Taxonomy.from_dict(data["taxonomy"]) if data["taxonomy"] else None
    scored = data["scored"]
    sections = [
        f"<header><h1>{escape(scored['predictions'])}</h1><p>against {escape(scored['truth'])}: "
        f"{how_many(data)} from {scored['sources']} sources, protocol {data['protocol']}</p>"
        "</header>",
        _warnings(data),
        _headlines(data),
        _by_class(data, taxonomy, pictures),
        _confusion(data),
        _counts(taxonomy, pictures),
        _tiles(taxonomy, pictures),
        _groups(data),
        _conventions(data),
    ]
    return _page.page(f"Evaluation of {scored['predictions']}", "".join(filter(None, sections)))


def _warnings(data: dict[str, Any]) -> str:
    scored = data["scored"]
    lines = [*scored["notes"], *(f"Not scored: {line}" for line in scored["problems"])]
    if scored["sources"] < _FEW_SOURCES:
        lines.append(
            f"The intervals rest on {scored['sources']} sources and are rough: bootstrap intervals"
            " of few sources are too narrow."
        )
    return _page.warning_box(lines)


def _headlines(data: dict[str, Any]) -> str:
    cards = "".join(
        f'<div class="card"><b>{escape(TITLES[name])}</b><span>{number(data[name])}</span>'
        f"<small>{interval(data['intervals'].get(name))}</small></div>"
        for name in _HEADLINES
        if name in data
    )
    rows = "".join(
        f"<tr><th>{escape(TITLES[name])}</th><td>{number(data[name])}</td>"
        f"<td>{interval(data['intervals'].get(name))}</td></tr>"
        for name in shown(data)
    )
    return (
        f'<div class="cards">{cards}</div><details><summary>All scores, with 95 % intervals'
        f"</summary><table>{rows}</table></details>"
    )


def _by_class(data: dict[str, Any], taxonomy: Taxonomy | None, pictures: Pictures) -> str:
    classes = data.get("classes") or {}
    metric = "pq" if "pq" in (next(iter(classes.values())) if classes else data) else "f1"
    bars = [_bar("all nuclei", data, data["intervals"], metric, _ALL, "")]
    totals = _totals(pictures)
    for k, c in enumerate(taxonomy.classes if taxonomy else ()):
        remark = f"{totals[0][k]:,} true" if totals else ""
        intervals = data["intervals"]["classes"][c.name]
        bars.append(_bar(c.name, classes[c.name], intervals, metric, c.color, remark))
    figure = interval_figure(bars, f"{TITLES[metric]} of each class with 95 % interval")
    note = (
        "Dot: score of the set. Band: 95 % bootstrap interval over sources. All nuclei: paired"
        f" without regard to class, mean over {unit(data)}. Classes: {_MEANS[data['protocol']]}."
    )
    return f"<h2>{TITLES[metric]} by class</h2>{figure}<p>{note}</p>"


def _bar(
    label: str,
    scores: dict[str, Any],
    intervals: dict[str, Any],
    metric: str,
    color: tuple[int, int, int],
    remark: str,
) -> Bar:
    low, high = intervals.get(metric) or (None, None)
    return Bar(label, scores.get(metric), low, high, color, remark)


def _confusion(data: dict[str, Any]) -> str:
    matrix = data.get("confusion")
    if not matrix:
        return ""
    counts = np.array(matrix["counts"])
    # "Unlabelled" is a class only where there are such nuclei.
    rows = [i for i, name in enumerate(matrix["true"]) if name != "unlabelled" or counts[i].any()]
    columns = [
        j for j, name in enumerate(matrix["pred"]) if name != "unlabelled" or counts[:, j].any()
    ]
    head = "".join(f"<th>{escape(matrix['pred'][j])}</th>" for j in columns)
    body = "".join(
        f"<tr><th>{escape(matrix['true'][i])}</th>{_cells(counts, i, columns)}</tr>" for i in rows
    )
    rules = data["conventions"]
    pairing = rules.get("confusion", rules.get("detection"))["pairing"]
    repeated = " A nucleus in two patches counts in both." if data["scored"]["patches"] else ""
    return (
        "<h2>Confusion matrix</h2><table class='confusion'><thead><tr><td>true \\ predicted</td>"
        f"{head}</tr></thead><tbody>{body}</tbody></table><p>Nuclei paired by {escape(pairing)}."
        " Shade and percentage: share of the row. The last column are true nuclei that were"
        f" missed, the last row predicted nuclei without a true one.{repeated}</p>"
    )


def _cells(counts: np.ndarray, row: int, columns: list[int]) -> str:
    total = counts[row].sum()
    cells = []
    for column in columns:
        count, share = counts[row, column], counts[row, column] / max(total, 1)
        if row == len(counts) - 1 and column == len(counts) - 1:
            cells.append("<td></td>")
            continue
        hue = "21, 128, 94" if row == column else "200, 80, 30"
        percent = f"<small>{100 * share:.0f} %</small>" if count else ""
        cells.append(
            f'<td style="background: rgba({hue}, {0.75 * share:.2f})">{count:,}{percent}</td>'
        )
    return "".join(cells)


def _counts(taxonomy: Taxonomy | None, pictures: Pictures) -> str:
    totals = _totals(pictures)
    if totals is None:
        return ""
    names = [(c.name, c.color) for c in taxonomy.classes] if taxonomy else [("nuclei", _ALL)]
    true = np.array([t for _, t, _ in pictures.counts])
    pred = np.array([p for *_, p in pictures.counts])
    panels = "".join(
        f"<figure><figcaption><b>{escape(name)}</b><br>{totals[0][k]:,} true,"
        f" {totals[1][k]:,} predicted</figcaption>"
        + scatter_figure(true[:, k], pred[:, k], color, f"Counts of {name}")
        + "</figure>"
        for k, (name, color) in enumerate(names)
    )
    return (
        f"<h2>Counts against truth</h2><div class='panels'>{panels}</div><p>A dot is one image,"
        " its nuclei counted whole; across: true, up: predicted; dashed: equal.</p>"
    )


def _totals(pictures: Pictures) -> tuple[np.ndarray, np.ndarray] | None:
    if not pictures.counts:
        return None
    _, true, pred = zip(*pictures.counts, strict=True)
    return np.sum(true, axis=0), np.sum(pred, axis=0)


def _tiles(taxonomy: Taxonomy | None, pictures: Pictures) -> str:
    chosen = pictures.chosen()
    if not any(chosen.values()):
        return ""
    parts = [
        f"<h2>Tiles</h2><p>Each pair: true nuclei left, predicted right. Outlines have the colour"
        " of the class. <b>Filled</b>: no partner with an IoU above 0.5, so missed (left) or"
        " invented (right). <b>Dot</b>: found, but of another class, which the dot shows. Tiles of"
        f" 256 pixels with {LEAST_NUCLEI} true nuclei or more, one an image;"
        f" median PQ of all {pictures.median:.2f}.</p>",
        _legend(taxonomy),
    ]
    for kind, tiles in chosen.items():
        if tiles:
            figures = "".join(_figure(tile, taxonomy) for tile in tiles)
            parts.append(f"<h3>{kind}</h3><div class='tiles'>{figures}</div>")
    return "".join(parts)


def _figure(tile: Tile, taxonomy: Taxonomy | None) -> str:
    pictures = "".join(
        _page.picture(picture, f"{of} nuclei")
        for of, picture in zip(("true", "predicted"), draw_tile(tile, taxonomy), strict=True)
    )
    caption = f"<b>PQ {tile.pq:.2f}</b> {escape(tile.title)}"
    return f"<figure><div class='pair'>{pictures}</div><figcaption>{caption}</figcaption></figure>"


def _legend(taxonomy: Taxonomy | None) -> str:
    if taxonomy is None:
        return ""
    return _page.legend([(c.name, c.color) for c in taxonomy.classes])


def _groups(data: dict[str, Any]) -> str:
    groups = data.get("groups")
    if not groups:
        return ""
    columns = groups_columns(groups)
    head = "".join(f"<th>{escape(TITLES[c])}</th>" for c in columns)
    rows = "".join(
        f"<tr><th>{escape(name) or '-'}</th><td>{scores['images']}</td>"
        + "".join(f"<td>{number(scores[c])}</td>" for c in columns)
        + "</tr>"
        for name, scores in groups["scores"].items()
    )
    return (
        f"<h2>By {groups['by']}</h2><table><thead><tr><td></td><th>{unit(data)}</th>{head}</tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _conventions(data: dict[str, Any]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in convention_lines(data))
    return f"<h2>Conventions</h2><ul>{items}</ul>"
