"""The page that shows many slides beside one another, with links to their reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from karyoscope._page import legend, page
from karyoscope._svg import rgb

STYLE = """
main { max-width: 1240px; }
.cohort { width: 100%; }
.cohort thead th { color: #656d76; font-size: 13px; text-align: right; white-space: nowrap; }
.cohort thead th:first-child, .cohort thead th:nth-last-child(-n+2) { text-align: left; }
.cohort tbody th { overflow-wrap: anywhere; min-width: 13em; }
.cohort a { color: #0b5cad; text-decoration: none; }
.cohort a:hover { text-decoration: underline; }
.cohort td.mix { width: 30%; }
.mix div { display: flex; height: 14px; border-radius: 3px; overflow: hidden; background: #eef0f2;
  box-shadow: inset 0 0 0 1px rgba(0, 0, 0, .15); }
.cohort td.state { text-align: left; color: #424a53; font-size: 13px; }
.failed { color: #b42318; }
.incomplete { color: #9a6700; }
"""


def cohort_page(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    reports: Mapping[str, str],
    colors: Mapping[str, tuple[int, int, int]],
) -> str:
    """Lay the page out.

    Parameters
    ----------
    title : str
    rows : sequence of mapping
        From :func:`karyoscope.export.cohort.cohort_rows`.
    reports : mapping of str to str
        Files of the reports by the ``result`` of the row.
    colors : mapping of str to (int, int, int)
        Of every class.

    Returns
    -------
    str
        HTML.
    """
    done = [row for row in rows if row["status"] != "failed"]
    nuclei = sum(row["nuclei"] for row in done)
    area = sum(row["analysed_mm2"] for row in done)
    failed = len(rows) - len(done)
    told = f"{len(rows)} slides, {nuclei:,} nuclei on {area:.4g} mm²"
    told += f", {failed} failed" if failed else ""
    body = "".join(_row(row, reports.get(row["result"]), colors) for row in rows)
    return page(
        title,
        f"<header><h1>{escape(title)}</h1><p>{told}</p></header>{legend(list(colors.items()))}"
        "<table class='cohort'><thead><tr><th>slide</th><th>nuclei</th><th>mm²</th>"
        "<th>per mm²</th><th>mean area µm²</th><th>classes</th><th></th></tr></thead>"
        f"<tbody>{body}</tbody></table>",
        STYLE,
    )


def _row(
    row: Mapping[str, Any], report: str | None, colors: Mapping[str, tuple[int, int, int]]
) -> str:
    name = escape(row["slide"])
    if report is not None:
        name = f'<a href="{quote(report)}">{name}</a>'
    parts = "".join(
        f"<i title='{escape(c)} {100 * share:.1f} %'"
        f" style='width:{100 * share:.2f}%;background:{rgb(color)}'></i>"
        for c, color in colors.items()
        if (share := row.get(f"share_{c}"))
    )
    state = "" if row["status"] == "ok" else f"<b class='{row['status']}'>{row['status']}</b> "
    said = "; ".join(filter(None, (row["error"], row["warnings"])))
    return (
        f"<tr><th>{name}</th><td>{_shown(row['nuclei'], ',d')}</td>"
        f"<td>{_shown(row['analysed_mm2'], '.3g')}</td>"
        f"<td>{_shown(row['density_per_mm2'], ',.0f')}</td>"
        f"<td>{_shown(row['mean_area_um2'], '.1f')}</td>"
        f"<td class='mix'><div>{parts}</div></td><td class='state'>{state}{escape(said)}</td></tr>"
    )


def _shown(value: float | None, spec: str) -> str:
    return "" if value is None else format(value, spec)
