"""Names that someone else chose, made safe for where they are printed or written.

The names of files, slides and classes may hold anything: sequences that move the cursor of a
terminal, brackets that rich takes for markup, a formula that a spreadsheet runs, or HTML. Ordinary
names stay as they are.
"""

from __future__ import annotations

import html
import re
import unicodedata

#: First characters by which spreadsheets know a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Control characters, characters that change the direction of what follows, line separators, and
#: halves of characters that cannot be encoded.
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")
#: Backslashes, a bracket, and what makes it a tag to rich.
_BRACKET = re.compile(r"(\\*)\[(?=([a-z#/@][^\[]*?\])?)")


def for_terminal(text: str) -> str:
    r"""Text with control characters written out.

    Examples
    --------
    >>> print(for_terminal("a\x1b[31m\nb"))
    a\x1b[31m\nb
    """
    if text.isprintable():
        return text
    return "".join(_written_out(c) if unicodedata.category(c) in _UNPRINTABLE else c for c in text)


def for_markup(text: str) -> str:
    r"""Text escaped for rich, so that brackets are not markup; no bracket may follow it.

    Unlike :func:`rich.markup.escape`, it keeps the backslashes of Windows paths as they are.

    Examples
    --------
    >>> print(for_markup("slide [bold].svs"))
    slide \[bold].svs
    """
    return _BRACKET.sub(_escaped, for_terminal(text))


def _escaped(found: re.Match[str]) -> str:
    # Before a tag rich halves the backslashes; before any other bracket it takes one away.
    count = len(found[1])
    count = 2 * count + 1 if found[2] else count + (count > 0)
    return "\\" * count + "["


def for_csv(text: str) -> str:
    """Text for a spreadsheet, with an apostrophe before anything that would be read as a formula.

    Examples
    --------
    >>> for_csv("=1+1"), for_csv("slide-1")
    ("'=1+1", 'slide-1')
    """
    return "'" + text if text.startswith(_FORMULA) else text


def from_csv(text: str) -> str:
    """Undo :func:`for_csv`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


def for_html(text: str) -> str:
    """Text in HTML, also inside of quotes."""
    return html.escape(for_terminal(text))


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
