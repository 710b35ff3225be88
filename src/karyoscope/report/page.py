"""Pages for a browser: Jinja2 templates with autoescape, one HTML file that fetches nothing."""

from __future__ import annotations

import base64
from functools import cache, partial
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

_QUALITY = 88


def render(template: str, **values: Any) -> str:
    """Fill a template in.

    Parameters
    ----------
    template : str
        Name of a file in ``report/templates``.
    **values
        What the template names. Strings are escaped; SVG elements of
        :mod:`karyoscope.report.figures` are not.

    Returns
    -------
    str
        An HTML page that fetches nothing.
    """
    return _environment().get_template(template).render(values) + "\n"


def webp(rgb: np.ndarray) -> str:
    """Encode a picture as a ``data:`` address for the ``src`` of an ``img`` element.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
    """
    options = [cv2.IMWRITE_WEBP_QUALITY, _QUALITY]
    packed = cv2.imencode(".webp", rgb[..., ::-1], options)[1].tobytes()
    return "data:image/webp;base64," + base64.b64encode(packed).decode()


def formatted(value: float | None, spec: str) -> str:
    """Format a number; an empty text where there is none.

    Examples
    --------
    >>> formatted(1234.5, ",.0f"), formatted(None, ".1f")
    ('1,234', '')
    """
    return "" if value is None else format(value, spec)


def hex_color(color: tuple[int, int, int]) -> str:
    """Write a colour as ``#rrggbb``.

    Examples
    --------
    >>> hex_color((255, 128, 0))
    '#ff8000'
    """
    return "#{:02x}{:02x}{:02x}".format(*color)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("karyoscope.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "formatted": formatted,
        "hex_color": hex_color,
        "median": lambda values: float(np.median(values)),
        "path_quote": partial(quote, errors="surrogateescape"),
        "webp": webp,
    }
    return environment
