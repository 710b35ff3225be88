"""Options that take several names."""

from __future__ import annotations

from collections.abc import Collection

import typer


def names_of(option: str, text: str, known: Collection[str]) -> list[str]:
    """Names separated by commas; wrong usage where one is unknown."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{option} {name}: there are {', '.join(known)}")
    return names
