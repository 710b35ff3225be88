"""Segment one image and keep its nuclei in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Model
from karyoscope.pipeline.prepare import prepare_model
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.stains.inputs import model_input
from karyoscope.pipeline.stains.stain import Stain, load_stain
from karyoscope.pipeline.stream import stream_nuclei
from karyoscope.pipeline.tiling.area import Roi, area_of
from karyoscope.pipeline.tiling.plan import layout_for
from karyoscope.slides import open_slide


def segment(
    source: str | Path | np.ndarray,
    mpp: float | None = None,
    model: str | Path | Model = "lizard",
    *,
    device: str = "auto",
    tta: int = 1,
    threads: int = 0,
    roi: Roi | None = None,
    tissue: str | Path = "auto",
    stain: str | Path | Stain | None = None,
) -> Nuclei:
    """Find, outline and classify every nucleus of an image.

    Parameters
    ----------
    source : path or ndarray
        A slide or image file, or an RGB array of shape (h, w, 3).
    mpp : float, optional
        Micrometres per pixel of level 0; needed where the file does not state it.
    model : str, path or Model
        A shipped model by name, a bundle by path, several of them with commas between (their
        maps are averaged), or a loaded model.
    device : {"auto", "cpu", "cuda"}
    tta : int
        Views that are averaged: 1, 2, 4 or 8 (flips and quarter turns), or 16 (each twice, with
        other stains).
    threads : int
        Threads of the CPU; 0 for all.
    roi : (x, y, width, height), optional
        Only nuclei whose centroid is in this box, in pixels of level 0; they are the same as
        without.
    tissue : {"auto", "none"} or path
        ``auto`` leaves blank glass of large slides out, ``none`` nothing; a GeoJSON file of
        polygons, in pixels of level 0, keeps the nuclei whose centroid is in one of them.
    stain : str, path or Stain, optional
        Changes the colours of the image before the model reads it; see
        :func:`~karyoscope.pipeline.load_stain`. A stain that the model applies itself comes after
        it.

    Returns
    -------
    Nuclei
        In pixels of level 0 of the input.

    Raises
    ------
    KaryoscopeError
        If the image, its scale or the model cannot be used.

    Examples
    --------
    >>> import karyoscope
    >>> nuclei = karyoscope.segment("slide.svs")  # doctest: +SKIP
    >>> nuclei.counts()  # doctest: +SKIP
    {'neutrophil': 12, 'epithelial': 3410, ...}
    """
    runner = model if isinstance(model, Model) else prepare_model(model, device, threads, tta)
    if stain is not None and not isinstance(stain, Stain):
        stain = load_stain(stain, runner.mpp, threads)
    with open_slide(source, mpp) as slide:
        area = area_of(slide, runner.mpp, roi, tissue)
        shown = model_input(slide, runner, stain)
        parts = stream_nuclei(shown, runner, layout_for(runner, area), area, Progress())
        return Nuclei.concat([Nuclei.empty(runner.taxonomy, slide.mpp), *parts])
