"""Models by name or by path, and several of them as one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference.bundle import CARD, Bundle
from karyoscope.inference.ensemble import Ensemble, is_ensemble

_SHIPPED = Path(str(resources.files("karyoscope") / "models"))


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    if not _SHIPPED.is_dir():
        return []
    return sorted(p.name for p in _SHIPPED.iterdir() if (p / CARD).is_file())


def find_bundle(name_or_path: str | Path) -> Bundle:
    """Open a shipped model by name, any bundle by path, or several as an ensemble.

    Parameters
    ----------
    name_or_path : str or path
        ``"lizard"``, ``"bundles/mine"`` or, for the mean of both, ``"lizard,bundles/mine"``.

    Raises
    ------
    KaryoscopeError
        If there is no such model, it is damaged, or several cannot be averaged.
    """
    text = str(name_or_path)
    if "," not in text or Path(text).exists():
        return _find_one(text)
    members: list[Bundle] = []
    for name in text.split(","):
        if not name.strip():
            raise KaryoscopeError(f"{text!r} names models with commas between; one name is empty")
        found = _find_one(name.strip())
        members += found.members if isinstance(found, Ensemble) else [found]
    return Ensemble(members, Path(text), {})


def _find_one(text: str) -> Bundle:
    if text in shipped_models():
        return Bundle(_SHIPPED / text)
    path = Path(text)
    if not path.exists():
        raise KaryoscopeError(
            f"no model {text!r}: not a path, and not one of {', '.join(shipped_models()) or 'none'}"
        )
    return Ensemble.open(path) if is_ensemble(path) else Bundle(path)
