"""Segment one image and keep its nuclei in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.faults import known_kinds
from karyoscope.core.limits import check_radius
from karyoscope.core.nuclei import Nuclei
from karyoscope.features import EXPANSION_UM, GROUPS, RADIUS_UM
from karyoscope.formats import ExportContext
from karyoscope.formats.rounding import rounded
from karyoscope.inference import Model
from karyoscope.pipeline.arguments import check_arguments
from karyoscope.pipeline.measures.measuring import FEATURES, Measure, quality_for
from karyoscope.pipeline.measures.quality import quality_of, sound_area
from karyoscope.pipeline.options import known_names
from karyoscope.pipeline.prepare import prepare_model
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.stains.inputs import model_input
from karyoscope.pipeline.stains.stain import Stain, load_stain
from karyoscope.pipeline.stream.blocks import stream_nuclei
from karyoscope.pipeline.tiling.area import Roi, area_of
from karyoscope.pipeline.tiling.plan import layout_for
from karyoscope.slides import Slide, open_slide


def segment(
    source: Any,
    mpp: float | None = None,
    model: str | Path | Model = "lizard",
    *,
    features: Sequence[str] | str = FEATURES,
    radius_um: float = RADIUS_UM,
    expansion_um: float = EXPANSION_UM,
    device: str = "auto",
    tta: int = 1,
    threads: int = 0,
    roi: Roi | str | Path | None = None,
    tissue: str | Path = "auto",
    exclude: Sequence[str] | str = (),
    stain: str | Path | Stain | None = None,
    override_mpp: float | None = None,
    scene: int | str | None = None,
) -> Nuclei:
    """Find, outline and classify every nucleus of an image.

    Parameters
    ----------
    source : path, ndarray, PIL.Image.Image or xarray.DataArray
        A slide or image file, an RGB array of shape (h, w, 3), a Pillow image, or a DataArray with
        the dimensions ``y``, ``x`` and one of channels.
    mpp : float, optional
        Micrometres per pixel of level 0, where the file does not state it.
    model : str, path or Model
        A shipped model by name, a bundle by path, several of them with commas between (their
        maps are averaged), or a loaded model.
    features : sequence of str, or str
        Groups of :data:`karyoscope.features.GROUPS` that are measured, as ``--features`` of the
        command has them: ``"shape,stain,neighbours"``. The default is that of the command; ``()``
        measures none.
    radius_um : float
        Radius of the neighbourhood of local densities, in µm.
    expansion_um : float
        Distance by which nuclei are expanded to cells, in µm, for the features ``cells``.
    device : {"auto", "cpu", "torch", "cuda", "mps"}
        Device that runs the network: ``cpu`` by OpenVINO, ``torch`` the CPU by PyTorch, ``cuda``
        and ``mps`` a GPU; ``auto`` takes a CUDA GPU if there is one.
    tta : int
        Views that are averaged: 1, 2, 4 or 8 (flips and rotations by 90°), or 16 (each twice, with
        other stains).
    threads : int
        Threads of the CPU; 0 for all.
    roi : (x, y, width, height) or path, optional
        Only nuclei whose centroid is in this box, in pixels of level 0, or in the polygons of a
        GeoJSON file; they are the same as without.
    tissue : {"auto", "none"} or path
        ``auto`` leaves blank glass of large slides out, ``none`` nothing; a GeoJSON file of
        polygons keeps the nuclei whose centroid is in one of them. Polygons are in pixels of
        level 0, counted as QuPath counts them: from the corner of the scanned part, where the
        slide's format tells it.
    exclude : sequence of str, or str
        Kinds of faults of the slide, such as ``"blur,pen"``, whose nuclei are left out: keys of
        :data:`karyoscope.core.faults.KINDS`. By default all nuclei are kept.
    stain : str, path or Stain, optional
        Changes the colours of the image before the model reads it; see
        :func:`~karyoscope.pipeline.load_stain`. A stain that the model applies itself comes after
        it.
    override_mpp : float, optional
        Micrometres per pixel of level 0, whatever the file states.
    scene : int or str, optional
        Image to read of a file that holds several, by number from 1 or by name; the largest by
        default, with a warning.

    Returns
    -------
    Nuclei
        Positions are in pixels of level 0 of the input, and numbers are those that
        ``karyoscope segment`` writes.

    Raises
    ------
    KaryoscopeError
        If the image, its scale, the model, a group of features or a kind of fault cannot be used.

    Examples
    --------
    >>> import karyoscope
    >>> nuclei = karyoscope.segment("slide.svs")  # doctest: +SKIP
    >>> nuclei.counts()  # doctest: +SKIP
    {'neutrophil': 12, 'epithelial': 3410, ...}
    """
    source = check_arguments(source, mpp, roi, tissue)
    groups = known_names(features, GROUPS)
    left_out = known_kinds(exclude)
    for length in (radius_um, expansion_um):
        wrong = check_radius(length)
        if wrong:
            raise KaryoscopeError(wrong)
    runner = model if isinstance(model, Model) else prepare_model(model, device, threads, tta)
    if stain is not None and not isinstance(stain, Stain):
        stain = load_stain(stain, runner.mpp, threads)
    with open_slide(source, mpp, override_mpp, scene=scene) as slide:
        nuclei = segment_open_slide(slide, runner, roi, tissue, stain, left_out)
        return _measured(nuclei, slide, groups, radius_um, expansion_um)


def segment_open_slide(
    slide: Slide,
    runner: Model,
    roi: Roi | str | Path | None = None,
    tissue: str | Path = "auto",
    stain: Stain | None = None,
    exclude: Sequence[str] = (),
) -> Nuclei:
    """Find the nuclei of a slide that is open already, without features; see :func:`segment`."""
    area = area_of(slide, runner.mpp, roi, tissue)
    quality = quality_of(slide, area) if exclude else None
    area = sound_area(area, quality, exclude)
    shown = model_input(slide, runner, stain)
    parts = stream_nuclei(shown, runner, layout_for(runner, area), area, Progress())
    nuclei = rounded(Nuclei.concat([Nuclei.empty(runner.taxonomy, slide.mpp), *parts]))
    if quality is None:
        return nuclei
    return nuclei.take(quality.sound(nuclei.x, nuclei.y, exclude)).renumber(1)


def _measured(
    nuclei: Nuclei, slide: Slide, groups: Sequence[str], radius_um: float, expansion_um: float
) -> Nuclei:
    context = ExportContext(
        slide.name, slide.size, slide.mpp, nuclei.taxonomy, mpp_axes=slide.mpp_xy
    )
    measure = Measure(groups, context, slide, radius_um, quality_for(groups, slide), expansion_um)
    nuclei = measure.per_nucleus(nuclei)
    measure.add(nuclei)
    return measure.with_neighbours(nuclei)
