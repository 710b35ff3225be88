"""Pages of docs/extending: their files and their commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "extending"
PAGES = {path.stem: path for path in sorted(FOLDER.glob("*.md")) if path.stem != "README"}

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(page: Path) -> dict[str, str]:
    """Python files that a page shows, by the name in their first line."""
    found = {}
    for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        name = re.match(r"# (\w+\.py)\n", text)
        if kind == "python" and name:
            found[name[1]] = text
    return found


def commands_of(page: Path) -> list[list[str]]:
    """Arguments of the ``karyoscope`` commands that a page shows, in order."""
    blocks = [t for kind, t in _BLOCK.findall(page.read_text(encoding="utf-8")) if kind == "sh"]
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    parts = [shlex.split(line) for line in lines]
    assert all(words[0] == "karyoscope" for words in parts)
    return [words[1:] for words in parts]
