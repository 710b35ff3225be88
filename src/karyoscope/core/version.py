"""The version of karyoscope that is installed."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version


@cache
def own_version() -> str:
    """Installed version of karyoscope, read once from the metadata of the installation.

    Returns
    -------
    str

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        If karyoscope is imported without having been installed.
    """
    return version("karyoscope")
