"""Packages that only some tasks need, and one line where they are missing."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from types import ModuleType

from karyoscope.core.errors import KaryoscopeError


def installed(*packages: str) -> bool:
    """Whether all packages are installed; none is imported."""
    return all(importlib.util.find_spec(name) is not None for name in packages)


def optional(package: str) -> ModuleType | None:
    """Import a package; None where it is missing or cannot be imported."""
    try:
        return import_module(package)
    except ImportError:
        return None


def require(extra: str, *packages: str, purpose: str = "") -> None:
    """Check that packages are installed, without importing them.

    Parameters
    ----------
    extra : str
        The extra of karyoscope that brings them.
    *packages : str
    purpose : str
        What needs them, for the message: "format 'h5ad'".

    Raises
    ------
    KaryoscopeError
        If one is missing; names the extra to install.
    """
    missing = [name for name in packages if not installed(name)]
    if missing:
        names = ", ".join(missing)
        what = f"{purpose} needs {names}" if purpose else f"{names} not installed"
        raise KaryoscopeError(f"{what}: run `pip install 'karyoscope[{extra}]'`")


def load(extra: str, package: str, purpose: str) -> ModuleType:
    """Import a package that only one task needs.

    Parameters
    ----------
    extra, package, purpose
        See :func:`require`.

    Raises
    ------
    KaryoscopeError
        If it is missing or cannot be imported; names the extra to install.
    """
    require(extra, package, purpose=purpose)
    try:
        return import_module(package)
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise KaryoscopeError(
            f"{purpose} needs {package}, which cannot be imported: {reason}"
        ) from error
