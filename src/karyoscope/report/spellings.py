"""Names of groups and patients that differ in their spelling alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def one_name(text: str) -> str:
    """Return a name without what readers overlook: case, blanks, and kinds of characters.

    Examples
    --------
    >>> one_name("Tumour  Core"), one_name("tumour core ")
    ('tumour core', 'tumour core')
    """
    # Marks without width are neither blank nor shown.
    shown = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", shown).casefold().split())


def spelling_remarks(what: str, names: Iterable[str]) -> list[str]:
    """Say which names differ in their spelling alone.

    Parameters
    ----------
    what : str
        What they name, in the plural, such as ``groups``.
    names : iterable of str
        Each may come several times.

    Returns
    -------
    list of str
        A line for each set of such names.
    """
    alike: dict[str, dict[str, None]] = {}
    for name in names:
        alike.setdefault(one_name(name), {})[name] = None
    return [
        f"The {what} {', '.join(map(ascii_quoted, sorted(same)))} differ in spelling alone and"
        f" count as {len(same)}; if they are one, spell them alike in the sample sheet."
        for same in alike.values()
        if len(same) > 1
    ]


def ascii_quoted(name: str) -> str:
    """Quote a name so that blanks, and characters without width, are seen."""
    return repr("".join(c if c.isprintable() else ascii(c)[1:-1] for c in name))
