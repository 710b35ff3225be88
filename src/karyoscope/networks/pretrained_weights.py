"""The file with the weights of a timm model, found before the model is built."""

from __future__ import annotations

from pathlib import Path

from karyoscope.pretrained import SOURCES, find_weights


def weights_file(model: str, pretrained: bool | str | Path) -> Path | None:
    """Return the file that holds the weights of a timm model.

    Parameters
    ----------
    model : str
        Name of the timm model.
    pretrained : bool, str or path
        ``True``: those that ``karyoscope weights fetch`` gets for this model, or else timm's own,
        which timm downloads. A name of :data:`karyoscope.pretrained.SOURCES`, or a file. ``False``
        for random weights.

    Returns
    -------
    path or None
        None for random weights and for timm's own.

    Raises
    ------
    KaryoscopeError
        If the file is missing, or the named weights were not fetched yet.
    """
    if not isinstance(pretrained, bool):
        return find_weights(pretrained)
    if pretrained and model in SOURCES:
        return find_weights(model)
    return None
