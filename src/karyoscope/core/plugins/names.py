"""Names of parts of plugin files: ``my_file.py:Name``."""

from __future__ import annotations

import re
from pathlib import Path

_PART = re.compile(r"(?P<file>.+\.py):(?P<part>[A-Za-z_]\w*)")


def split_name(name: str) -> tuple[str, str] | None:
    """File and part of a name such as ``my_file.py:Name``; None for any other name.

    Examples
    --------
    >>> split_name("losses/my_file.py:Tversky")
    ('losses/my_file.py', 'Tversky')
    >>> split_name("np_dice")
    """
    found = _PART.fullmatch(name)
    return None if found is None else (found["file"], found["part"])


def short_name(name: str) -> str:
    """Name of a part without the folder of its file, as runs and bundles have it.

    Examples
    --------
    >>> short_name("losses/my_file.py:Tversky")
    'my_file.py:Tversky'
    >>> short_name("np_dice")
    'np_dice'
    """
    found = split_name(name)
    return name if found is None else f"{Path(found[0]).name}:{found[1]}"


def label(name: str) -> str:
    """Name of a part for logs: that of the object in the file.

    Examples
    --------
    >>> label("losses/my_file.py:Tversky"), label("np_dice")
    ('Tversky', 'np_dice')
    """
    found = split_name(name)
    return name if found is None else found[1]


def name_and_argument(text: str) -> tuple[str, str]:
    """Split ``name:argument`` into name and argument.

    Examples
    --------
    >>> name_and_argument("macenko:slide.svs"), name_and_argument("clahe")
    (('macenko', 'slide.svs'), ('clahe', ''))
    >>> name_and_argument("my_file.py:Mine:slide.svs")
    ('my_file.py:Mine', 'slide.svs')
    """
    parts = text.split(":")
    for k in range(len(parts), 1, -1):
        if split_name(":".join(parts[:k])):
            return ":".join(parts[:k]), ":".join(parts[k:])
    return parts[0], ":".join(parts[1:])
