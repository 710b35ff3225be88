"""Several images in one file: which is read, and which are no scenes (labels, macros)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.text import for_terminal

_AUXILIARY = re.compile(r"\b(label|macro|thumbnail|barcode)\b", re.IGNORECASE)
_NAMED = 8


@dataclass(frozen=True)
class Scene:
    """One of the images of a file.

    Attributes
    ----------
    name : str
        Name that the file states; may be empty.
    width, height : int
        Size in pixels.
    """

    name: str
    width: int
    height: int

    def __str__(self) -> str:
        name = f"{for_terminal(self.name)!r} " if self.name else ""
        return f"{name}{self.width} x {self.height}"


def is_auxiliary(name: str) -> bool:
    """Whether an image is a label, macro or thumbnail of a slide, by its name."""
    return len(name) <= 80 and _AUXILIARY.search(name) is not None


def choose_scene(scenes: Sequence[Scene], wanted: int | str | None, label: str) -> int:
    """Find the image to read among those of a file.

    Parameters
    ----------
    scenes : sequence of Scene
        Scenes in the order of the file, at least one.
    wanted : int, str or None
        Number from 1, or name; the largest image if None, of equal ones the first.
    label : str
        Names the file in messages.

    Returns
    -------
    int
        Place in ``scenes``, from 0.

    Raises
    ------
    KaryoscopeError
        If there is no such scene.
    """
    if wanted is None:
        return max(range(len(scenes)), key=lambda i: scenes[i].width * scenes[i].height)
    text = str(wanted).strip()
    named = [i for i, scene in enumerate(scenes) if text and scene.name == text]
    if named:
        return named[0]
    if text.isdecimal() and 1 <= int(text) <= len(scenes):
        return int(text) - 1
    raise KaryoscopeError(f"{label} has no scene {for_terminal(text)!r}; it has {listed(scenes)}")


def several_remark(scenes: Sequence[Scene], chosen: int) -> str:
    """Remark on a file with several images of which one was chosen by default."""
    return (
        f"it holds {len(scenes)} images: {listed(scenes)}; scene {chosen + 1} is read,"
        " choose another with --scene"
    )


def listed(scenes: Sequence[Scene]) -> str:
    """Numbers, names and sizes of scenes on one line."""
    parts = [f"{number} ({scene})" for number, scene in enumerate(scenes[:_NAMED], start=1)]
    if len(scenes) > _NAMED:
        parts.append(f"and {len(scenes) - _NAMED} more")
    return ", ".join(parts)
