"""Numbers as decimal text, written into a byte buffer; for the formats that are text."""

from __future__ import annotations

import numpy as np

from karyoscope.core.kernels import part

LONGEST_NUMBER = 24
"""No number takes more bytes than this."""

_POWERS = 10.0 ** np.arange(17)


@part
def put_bytes(out, at, text, start, stop):
    """Copy ``text[start:stop]`` to ``out[at:]``; returns the position after it."""
    for i in range(start, stop):
        out[at] = text[i]
        at += 1
    return at


@part
def put_integer(out, at, value):
    """Write a non-negative integer in decimal; returns the position after it."""
    digits = 1
    rest = value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for i in range(at + digits - 1, at - 1, -1):
        out[i] = 48 + value % 10
        value //= 10
    return at + digits


@part
def put_fixed(out, at, value, decimals):
    """Write a number rounded to ``decimals`` places, without trailing zeros.

    ``abs(value) * 10**decimals`` must be less than 2**63.
    """
    scaled = np.int64(np.floor(abs(value) * _POWERS[decimals] + 0.5))
    while decimals > 0 and scaled % 10 == 0:
        scaled //= 10
        decimals -= 1
    if value < 0 and scaled > 0:
        out[at] = 45
        at += 1
    unit = np.int64(_POWERS[decimals])
    at = put_integer(out, at, scaled // unit)
    if decimals == 0:
        return at
    out[at] = 46
    fraction = scaled % unit
    for i in range(at + decimals, at, -1):
        out[i] = 48 + fraction % 10
        fraction //= 10
    return at + decimals + 1


@part
def put_number(out, at, value):
    """Write a finite number with about seven significant digits, in powers of ten where needed."""
    size = abs(value)
    if size == 0.0:
        return put_fixed(out, at, size, np.int64(0))
    exponent = int(np.floor(np.log10(size)))
    if -5 <= exponent <= 14:
        return put_fixed(out, at, value, np.int64(max(0, min(6 - exponent, 11))))
    # Two steps, because ten to the exponent may be too large or too small for a float.
    half = exponent // 2
    at = put_fixed(out, at, value / 10.0**half / 10.0 ** (exponent - half), np.int64(6))
    out[at] = 101
    at += 1
    if exponent < 0:
        out[at] = 45
        at += 1
    return put_integer(out, at, abs(exponent))
