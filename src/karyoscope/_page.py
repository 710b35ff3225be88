"""Pages for a browser: one HTML file each, which needs nothing else."""

from __future__ import annotations

import base64
from html import escape

import cv2
import numpy as np

_QUALITY = 88


def page(title: str, body: str, style: str = "") -> str:
    """Lay a page out.

    Parameters
    ----------
    title : str
        Of the window.
    body : str
        HTML.
    style : str
        Rules besides the common ones.

    Returns
    -------
    str
        HTML.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def picture(rgb: np.ndarray, about: str) -> str:
    """An ``img`` element that holds its own pixels.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
    about : str
        For readers that cannot see it.
    """
    options = [cv2.IMWRITE_WEBP_QUALITY, _QUALITY]
    packed = cv2.imencode(".webp", rgb[..., ::-1], options)[1].tobytes()
    data = base64.b64encode(packed).decode()
    return f'<img alt="{escape(about)}" src="data:image/webp;base64,{data}">'


def legend(entries: list[tuple[str, tuple[int, int, int]]]) -> str:
    """Names and colours in a line."""
    items = "".join(
        f'<span><i style="background: rgb{color}"></i>{escape(name)}</span>'
        for name, color in entries
    )
    return f"<p class='legend'>{items}</p>"


def warning_box(lines: list[str]) -> str:
    """What the reader should know first; nothing where there is nothing."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="warnings">{items}</ul>' if items else ""


STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #f6f7f9; color: #1f2328;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 32px 60px; background: #fff; }
h1 { font-size: 26px; margin: 0; }
header p { margin: 2px 0 18px; color: #656d76; }
h2 { font-size: 19px; margin: 40px 0 10px; padding-top: 14px; border-top: 1px solid #e4e7eb; }
h3 { font-size: 15px; margin: 22px 0 6px; text-transform: capitalize; }
p, li { max-width: 75ch; }
p { color: #424a53; }
svg { max-width: 100%; height: auto; font: 13px system-ui, sans-serif;
  font-variant-numeric: tabular-nums; white-space: pre; }
.warnings { background: #fff8e5; border: 1px solid #f0d48a; border-radius: 6px;
  padding: 10px 14px 10px 32px; margin: 0 0 18px; max-width: none; }
.warnings li { max-width: none; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; }
.card { border: 1px solid #e4e7eb; border-radius: 8px; padding: 10px 14px; }
.card b, .card small { display: block; color: #656d76; font-weight: 500; }
.card span { font-size: 27px; font-weight: 600; font-variant-numeric: tabular-nums; }
details { margin-top: 12px; }
summary { cursor: pointer; color: #424a53; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 8px 0; }
th { font-weight: 500; text-align: left; }
thead th, thead td { color: #656d76; font-size: 13px; text-align: right; }
td, th { padding: 5px 12px; border-bottom: 1px solid #eef0f2; }
td { text-align: right; }
.confusion td { min-width: 62px; border: 2px solid #fff; border-radius: 5px; }
.confusion th, .confusion thead td { border: 0; }
.confusion td small { display: block; color: #424a53; font-size: 11px; line-height: 1.1; }
.confusion thead td { min-width: 0; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: 18px; }
figure { margin: 0; }
figcaption { color: #424a53; font-size: 13px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); gap: 20px; }
.pair { display: flex; gap: 4px; }
.pair img { width: 50%; min-width: 0; flex: 1; border-radius: 3px; object-fit: contain; }
.legend span { margin-right: 16px; white-space: nowrap; }
.legend i { display: inline-block; width: 12px; height: 12px; border-radius: 3px;
  margin-right: 6px; vertical-align: -1px; box-shadow: 0 0 0 1px rgba(0, 0, 0, .25); }
@media (max-width: 620px) {
  main { padding: 18px 14px; }
  .tiles { grid-template-columns: 1fr; }
  .confusion { display: block; overflow-x: auto; }
}
"""
