"""OpenSlide where it is installed: a bare GPU machine trains and validates without."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openslide
else:
    try:
        import openslide
    except ImportError:
        openslide = None

__all__ = ["openslide"]
