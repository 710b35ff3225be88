"""What a batch would do, without doing it: which slides, at what scale, what is done before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from karyoscope.core.addresses import is_address
from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import check_targets, require_packages
from karyoscope.pipeline.batch.inputs import find_inputs
from karyoscope.pipeline.batch.runs import check_drawn, runs_of
from karyoscope.pipeline.executor import Executor
from karyoscope.pipeline.options import SegmentOptions
from karyoscope.pipeline.runs.journal import Journal
from karyoscope.pipeline.runs.run import Run
from karyoscope.pipeline.tiling.area import area_of
from karyoscope.pipeline.tiling.plan import layout_for, wanted_blocks
from karyoscope.slides import open_slide

State = Literal["new", "begun", "done", "failed"]


@dataclass(frozen=True)
class PlannedSlide:
    """Planned work on one slide.

    Attributes
    ----------
    path : str
    state : {"new", "begun", "done", "failed"}
        ``begun`` where a run was stopped and would be gone on with, ``done`` where an earlier run
        with the same settings leaves nothing to do, ``failed`` where it cannot be run.
    size : tuple of int, optional
        Width and height in pixels of level 0.
    mpp : float, optional
        Micrometres per pixel.
    blocks : int
        Blocks that would be run, or were before, of about 2 Mpx at the model's scale.
    analysed_mm2 : float
        Area of these blocks that would be analysed, in mm².
    error : str
        Why the slide cannot be run.
    """

    path: str
    state: State
    size: tuple[int, int] | None = None
    mpp: float | None = None
    blocks: int = 0
    analysed_mm2: float = 0.0
    error: str = ""


@dataclass
class Plan:
    """Plan of a batch.

    Attributes
    ----------
    model, engine : str
        Name and version of the model, and what would run it.
    slides : list of PlannedSlide
    problems : list of str
        One line for each input that names no slide.
    """

    model: str = ""
    engine: str = ""
    slides: list[PlannedSlide] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Number of inputs that cannot be run."""
        return len(self.problems) + sum(slide.state == "failed" for slide in self.slides)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON holds it."""
        return asdict(self)


def plan_slides(
    paths: Sequence[str | Path],
    out: str | Path,
    model: str | Path,
    options: SegmentOptions,
    executor: Executor,
) -> Plan:
    """Return what :func:`segment_slides` would do with the same arguments; nothing is written.

    The model is loaded and every slide opened, so what is wrong with them shows here.

    Parameters
    ----------
    paths, out, model : sequence of path, path, str or path
        Slides, folder of the results and model, as of :func:`segment_slides`. Slides and results
        have to be on this machine.
    options, executor : SegmentOptions, Executor
        Settings, and what runs the blocks.

    Raises
    ------
    InvalidOptions
        If areas that are drawn on one slide are given for several.
    KaryoscopeError
        If the model or the stain cannot be used, or something is at an address.
    """
    for given in (*paths, out):
        if is_address(given):
            raise KaryoscopeError(f"{given}: a dry run takes files of this machine alone")
    slides, problems, _ = find_inputs(paths, options.recursive)
    folder = check_drawn(slides, options)
    plan = Plan(problems=problems)
    if not slides:
        return plan
    loaded = executor.load(model, options.formats)
    options = options.with_stain_for(loaded, executor.threads)
    made = runs_of(slides, out, loaded, options, executor, folder)
    plan.model = f"{loaded.name} {loaded.bundle.card.version}"
    plan.engine = loaded.engine.device
    plan.problems += made.problems
    first: dict[str, Run] = {}
    for run in made.runs:
        other = first.setdefault(run.name, run)
        if other is run:
            plan.slides.append(_planned(run))
        else:
            taken = f"{run.path}: its results would have the names of {other.path}'s"
            plan.slides.append(PlannedSlide(str(run.path), "failed", error=taken))
    return plan


def _planned(run: Run) -> PlannedSlide:
    options = run.options
    path = str(run.path)
    try:
        with open_slide(run.path, options.mpp, options.override_mpp, scene=options.scene) as slide:
            state: State = "new"
            if run.finished() is not None:
                state = "done"
            elif Journal.is_begun(run.journal_folder, run.settings):
                state = "begun"
                require_packages(options.written_formats)
            else:
                check_targets(run.out, run.name, options.written_formats, run.may_replace())
            area = area_of(slide, run.model.mpp, options.roi, options.tissue)
            layout = layout_for(run.model, area)
            wanted = set(wanted_blocks(layout, area))
            owns = [block.own for i, block in enumerate(layout.blocks()) if i in wanted]
            mm2 = sum(area.measure(own) for own in owns) * math.prod(slide.mpp_xy) * 1e-6
            return PlannedSlide(path, state, slide.size, slide.mpp, len(wanted), mm2)
    except (KaryoscopeError, OSError, MemoryError) as error:
        return PlannedSlide(path, "failed", error=str(error))
