"""The input of a model: a slide after the stain given by the user, then that of the model."""

from __future__ import annotations

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Bundle, Model
from karyoscope.pipeline.stains.stain import Stain, holds_its_target, load_stain
from karyoscope.slides import Slide, open_slide
from karyoscope.stains import NORMALISERS


def builtin_stain(name: str) -> Stain:
    """Load a stain that its name defines completely, as recipes and bundles use it.

    Parameters
    ----------
    name : str
        One of :data:`karyoscope.stains.NORMALISERS` that needs no images to resemble, or
        ``reinhard:L,a,b/L,a,b``.

    Raises
    ------
    KaryoscopeError
        If it is none of them.

    Examples
    --------
    >>> builtin_stain("clahe").identity
    {'name': 'clahe', 'cell': 32, 'limit': 4.0}
    """
    if not holds_its_target(name):
        known = [key for key, kind in NORMALISERS.items() if not kind.targeted]
        raise KaryoscopeError(
            f"{name!r} is no stain that a model can have of its own; there are {', '.join(known)}"
            " and reinhard:L,a,b/L,a,b (not those with images to resemble, which a bundle does not"
            " hold)"
        )
    return load_stain(name)


def bundle_stain(bundle: Bundle) -> Stain | None:
    """Load the stain that a model was trained with; None for most.

    Raises
    ------
    KaryoscopeError
        If there is no such stain.
    """
    name = bundle.card.input.stain
    if name is None:
        return None
    bundle.require_plugin(name)
    try:
        return builtin_stain(name)
    except KaryoscopeError as error:
        raise KaryoscopeError(f"model bundle {bundle.path}: input.stain: {error}") from error


def input_stains(model: Model, stain: Stain | None = None) -> list[Stain]:
    """Stains between a slide and a model, in the order in which they are applied.

    The user's comes first: it brings a slide to what the training images were like, and these
    were changed by the model's own.

    Parameters
    ----------
    model : Model
        Model that reads the pixels.
    stain : Stain, optional
        The user's.

    Raises
    ------
    KaryoscopeError
        If the model's is not known, or both are the same.
    """
    own = bundle_stain(model.bundle)
    if stain is not None and own is not None and stain.identity == own.identity:
        raise KaryoscopeError(
            f"model {model.name!r} applies {own.identity['name']} by itself, twice is once too"
            " often: leave the stain out"
        )
    return [change for change in (stain, own) if change is not None]


def model_input(slide: Slide, model: Model, stain: Stain | None = None) -> Slide:
    """Slide with the stains applied that precede a model; errors as in :func:`input_stains`.

    Returns
    -------
    Slide
        The slide itself where nothing changes it.
    """
    for change in input_stains(model, stain):
        slide = change.over(slide, model.mpp)
    return slide


def model_input_image(rgb: np.ndarray, model: Model, stain: Stain | None = None) -> np.ndarray:
    """Whole image at the model's scale with the stains applied that precede a model.

    Parameters
    ----------
    rgb : ndarray of uint8, shape (h, w, 3)
        Image in red, green and blue.
    model : Model
        Model that reads the image.
    stain : Stain, optional
        The user's.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    for change in input_stains(model, stain):
        rgb = stained_image(rgb, change, model.mpp)
    return rgb


def stained_image(rgb: np.ndarray, stain: Stain, mpp: float) -> np.ndarray:
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
