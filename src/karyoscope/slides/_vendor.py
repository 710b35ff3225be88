"""Which vendor's format a file has, by OpenSlide's judgement or by its name."""

from __future__ import annotations

from pathlib import Path

from karyoscope.slides._openslide import openslide

# These are recognised by their name even where OpenSlide does not know them, so that a slide whose
# companion files are missing is reported and not taken for the thumbnail that it begins with.
_BY_SUFFIX = {
    ".mrxs": "mirax",
    ".ndpi": "hamamatsu",
    ".scn": "leica",
    ".bif": "ventana",
    ".vms": "hamamatsu",
    ".vmu": "hamamatsu",
    ".czi": "zeiss",
}


def vendor_format(path: Path) -> str | None:
    """OpenSlide's name for the format of a file, such as ``"aperio"``; None where it has none.

    None without OpenSlide, too.
    """
    if path.is_dir() or openslide is None:
        return None
    try:
        found = openslide.OpenSlide.detect_format(path)
    except openslide.OpenSlideError:
        found = None
    return found or _BY_SUFFIX.get(path.suffix.lower())
