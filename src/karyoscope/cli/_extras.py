"""One clear line where an optional part is not installed."""

from __future__ import annotations

import importlib.util

from karyoscope.core.errors import KaryoscopeError


def require(extra: str, *modules: str) -> None:
    """Check that the modules of an extra can be imported, without importing them.

    Raises
    ------
    KaryoscopeError
        Naming the extra to install.
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise KaryoscopeError(
            f"{', '.join(missing)} not installed: run `pip install 'karyoscope[{extra}]'`"
        )
