"""What a model is shown: a slide, by the stain that the user asks for, then by the model's own."""

from __future__ import annotations

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Bundle, Model
from karyoscope.pipeline.stain import Stain, load_stain
from karyoscope.slides import Slide, open_slide
from karyoscope.stains import NORMALISERS


def own_stain(name: str) -> Stain:
    """Load a stain that a recipe or a bundle may hold: its name says all of it.

    Parameters
    ----------
    name : str
        One of :data:`karyoscope.stains.NORMALISERS` that needs no images to resemble.

    Raises
    ------
    KaryoscopeError
        If it is none of them.

    Examples
    --------
    >>> own_stain("clahe").identity
    {'name': 'clahe', 'cell': 32, 'limit': 4.0}
    """
    known = [key for key, kind in NORMALISERS.items() if not kind.targeted]
    if name not in known:
        raise KaryoscopeError(
            f"{name!r} is no stain that a model can have of its own; there are {', '.join(known)}"
            " (not those with images to resemble, which a bundle does not hold)"
        )
    return load_stain(name)


def stain_of(bundle: Bundle) -> Stain | None:
    """Load the stain that a model was trained with; None for most.

    Raises
    ------
    KaryoscopeError
        If there is no such stain.
    """
    name = bundle.card.input.stain
    if name is None:
        return None
    try:
        return own_stain(name)
    except KaryoscopeError as error:
        raise KaryoscopeError(f"model bundle {bundle.path}: input.stain: {error}") from error


def stains_before(model: Model, stain: Stain | None = None) -> list[Stain]:
    """Stains between a slide and a model, in the order in which they are applied.

    The user's comes first: it brings a slide to what the training images were like, and these
    were changed by the model's own.

    Parameters
    ----------
    model : Model
    stain : Stain, optional
        The user's.

    Raises
    ------
    KaryoscopeError
        If the model's is not known, or both are the same.
    """
    own = stain_of(model.bundle)
    if stain is not None and own is not None and stain.identity == own.identity:
        raise KaryoscopeError(
            f"model {model.name!r} applies {own.identity['name']} by itself, twice is once too"
            " often: leave the stain out"
        )
    return [change for change in (stain, own) if change is not None]


def as_seen(slide: Slide, model: Model, stain: Stain | None = None) -> Slide:
    """Show a slide as a model is to see it; see :func:`stains_before` for what is raised.

    Returns
    -------
    Slide
        The slide itself where nothing changes it.
    """
    for change in stains_before(model, stain):
        slide = change.over(slide, model.mpp)
    return slide


def image_as_seen(rgb: np.ndarray, model: Model, stain: Stain | None = None) -> np.ndarray:
    """Show a whole image at the model's scale as a model is to see it.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
    model : Model
    stain : Stain, optional
        The user's.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    for change in stains_before(model, stain):
        rgb = change_image(rgb, change, model.mpp)
    return rgb


def change_image(rgb: np.ndarray, stain: Stain, mpp: float) -> np.ndarray:
    """Change a whole image, as a slide of its own.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
    stain : Stain
    mpp : float
        Micrometres per pixel of the image.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    height, width = rgb.shape[:2]
    with open_slide(rgb, mpp=mpp) as slide:
        return stain.over(slide).read(0, 0, width, height)
