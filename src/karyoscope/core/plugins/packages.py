"""Entry points of installed packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from karyoscope.core.plugins.faults import OWNERS, PluginError


def entry_points(group: str) -> dict[str, Any]:
    """Entry points of the installed packages in a group, by name; none of them is loaded."""
    # Imported here: few commands need it, and it takes some milliseconds.
    from importlib import metadata

    return {point.name: point for point in metadata.entry_points(group=group)} if group else {}


def part_of_package(group: str, name: str) -> Any:
    """Load the entry point of a name; None where no installed package has it.

    Raises
    ------
    KaryoscopeError
        If the package cannot be imported.
    """
    point = entry_points(group).get(name)
    if point is None:
        return None
    try:
        part = point.load()
    except Exception as error:
        owner = point.dist.name if point.dist else point.module
        reason = " ".join(str(error).split()) or "no message"
        raise PluginError(
            f"plugin package {owner}: {name} ({point.value}) cannot be loaded:"
            f" {type(error).__name__}: {reason}"
        ) from error
    top = sys.modules.get(point.module.partition(".")[0])
    if top is not None and top.__file__:
        place = Path(top.__file__).resolve()
        OWNERS.add(place.parent if place.name == "__init__.py" else place)
    return part


def package_of(group: str, name: str) -> tuple[str, str] | None:
    """Name and version of the installed package that offers an entry point; None where none."""
    point = entry_points(group).get(name)
    return None if point is None or not point.dist else (point.dist.name, point.dist.version)
