"""The list of encoder weights, as plain data."""

from __future__ import annotations

from typing import Any

from karyoscope.pretrained.cache import cache_folder
from karyoscope.pretrained.sources import SOURCES


def weights_rows() -> list[dict[str, Any]]:
    """Return one dict for each name that recipes may use.

    This is what ``karyoscope weights list`` prints.

    Returns
    -------
    list of dict
        ``name``; ``cached`` is whether its weights are in the cache; ``package``, ``version``,
        ``index`` and ``licence`` describe the package that has them.
    """
    return [
        {
            "name": name,
            "cached": (cache_folder() / f"{name}.safetensors").is_file(),
            "package": source.package,
            "version": source.version,
            "index": source.index,
            "licence": source.licence,
        }
        for name, source in SOURCES.items()
    ]
