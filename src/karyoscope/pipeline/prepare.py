"""A model made ready to run: checked, loaded, and its compiled code available.

The loops of post-processing and of some formats are compiled on the first run on a machine (some
ten seconds of one core) and loaded from a cache later (a third of a second). Either can happen
while the network is loaded and the first windows are run.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.kernels import when_compiling
from karyoscope.core.maps import pixel_shape
from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Bundle, Model, find_bundle, load_model
from karyoscope.inference.bundle import PostprocessingSpec
from karyoscope.pipeline.second_compiler import SecondCompiler, write_made_up
from karyoscope.pipeline.stains.inputs import bundle_stain
from karyoscope.pipeline.tiling.half_precision import to_half, to_single
from karyoscope.postprocessing import POSTPROCESSINGS, postprocess

_EDGE = 64


def prepare_model(
    source: str | Path,
    device: str = "auto",
    threads: int = 0,
    tta: int = 1,
    formats: Sequence[str] = (),
) -> Model:
    """Load a model, and compile the later steps of the pipeline at the same time.

    Parameters
    ----------
    source, device, threads, tta : str or path, str, int, int
        See :func:`karyoscope.inference.load_model`.
    formats : sequence of str
        Formats that will be written.

    Raises
    ------
    KaryoscopeError
        If the bundle, its stain, its post-processing or the device cannot be used.
    """
    bundle = find_bundle(source)
    check_postprocessing(bundle)
    bundle_stain(bundle)
    warm_up(bundle, formats, aside=threads != 1)
    return load_model(bundle, device, threads, tta)


def check_postprocessing(bundle: Bundle) -> None:
    """Check the post-processings of a bundle: their names, parameters and maps."""
    for spec in (bundle.card.postprocessing, bundle.card.counting):
        if spec is not None:
            _check_spec(bundle, spec)


def _check_spec(bundle: Bundle, spec: PostprocessingSpec) -> None:
    bundle.require_plugin(spec.name)
    try:
        method = POSTPROCESSINGS.find(spec.name)
    except KaryoscopeError as error:
        raise KaryoscopeError(f"model bundle {bundle.path}: {error}") from error
    for name in method.maps:
        if name not in bundle.card.maps:
            raise KaryoscopeError(
                f"model bundle {bundle.path}: post-processing {spec.name!r} needs a map {name!r}"
            )
    try:
        method.validate(spec.params)
    except KaryoscopeError as error:
        raise KaryoscopeError(f"model bundle {bundle.path}: {error}") from error


def warm_up(bundle: Bundle, formats: Sequence[str] = (), aside: bool = True) -> threading.Thread:
    """Find and write the nuclei of a small piece of noise, in a thread of its own.

    If something has to be compiled, a second process compiles what the formats need.

    Whoever needs the same code meanwhile waits for the compiler, not for this thread, which nobody
    has to join. A program that ends meanwhile waits for the step that it is at.

    Parameters
    ----------
    bundle : Bundle
        Its post-processing is run.
    formats : sequence of str
        Are written to a temporary folder.
    aside : bool
        Whether a second process may compile.
    """
    # No daemon: an interpreter that ends amid its calls into compiled code would abort.
    thread = threading.Thread(target=_run, args=(bundle, formats, aside), name="warm-up")
    thread.start()
    return thread


def _run(bundle: Bundle, formats: Sequence[str], aside: bool) -> None:
    second = SecondCompiler(formats if aside else ())
    try:
        with when_compiling(second.start):
            nuclei = nuclei_in_noise(bundle)
        second.wait()
        for name in formats:
            if not threading.main_thread().is_alive():
                return  # the program ends
            write_made_up(nuclei, [name])
    except Exception:
        # Whatever is wrong shows again, and is reported, when the first block is processed.
        second.stop()


def nuclei_in_noise(bundle: Bundle) -> Nuclei:
    """Return nuclei that post-processing finds in random maps: its loops are compiled by it."""
    card = bundle.card
    n = len(bundle.taxonomy)
    noise = np.random.default_rng(0)
    maps = {
        name: noise.random((_EDGE // stride, _EDGE // stride, *pixel_shape(name, n)), np.float32)
        for name, stride in card.maps.items()
    }
    maps = {name: to_single(to_half(values)) for name, values in maps.items()}
    spec = card.postprocessing
    return postprocess(spec.name, maps, spec.params, bundle.taxonomy, card.mpp)
