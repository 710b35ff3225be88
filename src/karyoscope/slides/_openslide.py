"""OpenSlide where it is installed: a bare GPU machine trains and validates without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from karyoscope.core.optional import optional

if TYPE_CHECKING:
    import openslide
else:
    openslide = optional("openslide")

__all__ = ["openslide"]
