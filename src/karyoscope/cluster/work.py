"""What a machine of a cluster does: blocks of a slide, with a model that it keeps loaded."""

from __future__ import annotations

import functools
import pickle
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.plugins import use_plugin
from karyoscope.inference import Model
from karyoscope.pipeline import (
    Area,
    BlockReport,
    Layout,
    Progress,
    prepare_model,
    run_blocks,
    threads_for,
)
from karyoscope.pipeline.slide_warnings import SlideWarnings
from karyoscope.slides import Slide

_OPEN_SLIDES = 2


@dataclass(frozen=True)
class ModelSource:
    """How a machine loads the model; see :func:`karyoscope.pipeline.prepare_model`."""

    model: str
    device: str
    threads: int
    tta: int
    plugins: tuple[str, ...] = ()
    """Plugin files that the user named; they must be on storage that all machines see."""


@dataclass(frozen=True)
class Job:
    """Data that all regions of one slide share.

    Attributes
    ----------
    key : str
        Name of the job; no other job has it.
    slide : Slide
        Opened again by its path where the job is unpickled.
    layout : Layout
    area : Area
    """

    key: str
    slide: Slide
    layout: Layout
    area: Area


@dataclass(frozen=True)
class Region:
    """Some blocks of a slide, done.

    Attributes
    ----------
    blocks : list of (int, Nuclei, BlockReport)
        As :func:`karyoscope.pipeline.run_blocks` yields them.
    seconds : dict of str to float
        Busy time of each stage.
    device : str
        What ran the network, in words.
    problem : str
        Why there are no blocks, where nothing could be done.
    warnings : list of str
        Warnings of the task, each line once.
    """

    blocks: list[tuple[int, Nuclei, BlockReport]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    device: str = ""
    problem: str = ""
    warnings: list[str] = field(default_factory=list)


def run_region(
    key: str, packed: bytes, source: ModelSource, software: str, indices: Sequence[int]
) -> Region:
    """Segment some blocks.

    Parameters
    ----------
    key : str
        Key of the job.
    packed : bytes
        The job, pickled.
    source : ModelSource
    software : str
        Version of karyoscope that asks.
    indices : sequence of int
        Places of the blocks among all blocks of the layout.
    """
    here = Path(key)
    with SlideWarnings(lambda path, line: None) as heard, heard.of(here):
        try:
            _check_version(software)
            model = _load(source)
            job = _open(key, packed)
            progress = Progress()
            threads = threads_for(model.engine, source.threads)
            running = run_blocks(
                job.slide,
                model,
                job.layout,
                job.area,
                indices,
                progress=progress,
                threads=threads,
            )
            blocks = list(running)
        except KaryoscopeError as error:
            # As a value: an exception would come back wrapped in a traceback.
            return Region(problem=str(error), warnings=heard.lines(here))
        return Region(blocks, progress.seconds, model.engine.device, warnings=heard.lines(here))


def try_model(source: ModelSource, software: str) -> Region:
    """Load the model and return what runs it, as a region without blocks."""
    try:
        _check_version(software)
        return Region(device=_load(source).engine.device)
    except KaryoscopeError as error:
        return Region(problem=str(error))


def _check_version(software: str) -> None:
    ours = version("karyoscope")
    if ours != software:
        raise KaryoscopeError(
            f"a machine of the cluster has karyoscope {ours}, this one {software}; install one"
            " version everywhere"
        )


@functools.lru_cache(maxsize=1)
def _load(source: ModelSource) -> Model:
    for path in source.plugins:
        use_plugin(path)
    return prepare_model(source.model, source.device, source.threads, source.tta)


open_jobs: OrderedDict[str, Job] = OrderedDict()


def _open(key: str, packed: bytes) -> Job:
    """The job, its slide open; kept, since the next region is often of the same slide."""
    if key not in open_jobs:
        try:
            open_jobs[key] = pickle.loads(packed)
        except KaryoscopeError as error:
            raise KaryoscopeError(
                f"{error}; slides must be on storage that all machines of the cluster see"
            ) from error
        while len(open_jobs) > _OPEN_SLIDES:
            open_jobs.popitem(last=False)[1].slide.close()
    open_jobs.move_to_end(key)
    return open_jobs[key]
