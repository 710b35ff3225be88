"""From the slides of a batch to their runs, each with its own options."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Model
from karyoscope.pipeline.batch.annotation_files import AnnotationFolder
from karyoscope.pipeline.batch.inputs import Input
from karyoscope.pipeline.executor import Executor
from karyoscope.pipeline.options import InvalidOptions, SegmentOptions
from karyoscope.pipeline.runs.run import Run
from karyoscope.slides.base import slide_name

_DRAWN = ("tissue", "roi", "annotations")


@dataclass
class Runs:
    """Runs of a batch.

    Attributes
    ----------
    runs : list of Run
        One entry for each slide, in their order.
    addresses : dict of Path to str
        Where slides are fetched from that are not on this machine.
    notes : dict of Path to str
        Warnings of each slide that are known before it runs.
    problems : list of str
        One line for each slide that cannot be run.
    remarks : list of str
        One line for what no slide uses.
    """

    runs: list[Run] = field(default_factory=list)
    addresses: dict[Path, str] = field(default_factory=dict)
    notes: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def check_drawn(slides: Sequence[Input], options: SegmentOptions) -> AnnotationFolder | None:
    """Refuse a file that is drawn on one slide where it would count for several.

    Returns
    -------
    AnnotationFolder or None
        The annotations, where a folder of them is given.

    Raises
    ------
    InvalidOptions
        If there is such a file.
    """
    folder = None
    for name in _DRAWN:
        file = getattr(options, name)
        if not isinstance(file, (str, Path)) or file in ("auto", "none"):
            continue
        if name == "annotations" and os.path.isdir(file):
            folder = AnnotationFolder(file)
            continue
        count = sum(name not in slide.options for slide in slides)
        if count > 1:
            raise InvalidOptions(f"{name} {file} is drawn on one slide; {count} are given")
    return folder


def runs_of(
    slides: Sequence[Input],
    out: str | Path,
    model: Model,
    options: SegmentOptions,
    executor: Executor,
    folder: AnnotationFolder | None,
) -> Runs:
    """Make the run of every slide.

    Parameters
    ----------
    slides : sequence of Input
    out : path
    model : Model
    options : SegmentOptions
        Options of all slides, with the stain loaded.
    executor : Executor
        Says where a slide lies.
    folder : AnnotationFolder, optional
        Result of :func:`check_drawn`.

    Raises
    ------
    InvalidOptions
        If no file of the folder is named after a slide.
    """
    made = Runs()
    for slide in slides:
        changes = dict(slide.options)
        try:
            if folder is not None and "annotations" not in changes:
                name = slide_name(slide.path, options.scene)
                changes["annotations"] = folder.of(slide.path, name)
                if changes["annotations"] is None:
                    note = f"no file in --annotations {folder.folder} is named after it"
                    made.notes[slide.path] = f"{note}: its nuclei are in no region"
            own = replace(options, **changes) if changes else options
            run = Run(executor.locate(slide.path), out, model, own)
            made.runs.append(run)
            if slide.address:
                made.addresses[run.path] = slide.address
        except KaryoscopeError as error:
            made.problems.append(str(error))
    if folder is not None:
        _check_used(folder, slides, made)
    return made


def _check_used(folder: AnnotationFolder, slides: Sequence[Input], made: Runs) -> None:
    asked = [slide for slide in slides if "annotations" not in slide.options]
    if asked and len(made.notes) == len(asked):
        raise InvalidOptions(
            f"no file in annotations {folder.folder} is named after a slide,"
            f" as {asked[0].path.stem}.geojson would be"
        )
    unused = folder.unused()
    if unused:
        shown = ", ".join(unused[:3]) + (" ..." if len(unused) > 3 else "")
        where = f"files in --annotations {folder.folder} are named after no slide"
        made.remarks.append(f"{len(unused)} {where}: {shown}")
