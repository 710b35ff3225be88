"""Segmentation of many slides: failures are reported, the others processed, the cohort written."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from karyoscope.core.addresses import is_address
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.lock import LockedError
from karyoscope.core.mirror import Mirror
from karyoscope.core.plugins import fault
from karyoscope.core.remarks import listening, warn
from karyoscope.formats.cohort import NAME as COHORT
from karyoscope.formats.cohort import add_samples
from karyoscope.inference import Model
from karyoscope.pipeline.batch.inputs import Input, find_inputs
from karyoscope.pipeline.batch.remote import pull_cohort, push_cohort, run_there, with_fetched
from karyoscope.pipeline.batch.result import BatchListener, BatchResult, SlideResult
from karyoscope.pipeline.batch.runs import Runs, check_drawn, runs_of
from karyoscope.pipeline.batch.turns import InOrder, Turns
from karyoscope.pipeline.executor import Executor, LocalExecutor
from karyoscope.pipeline.options import SegmentOptions
from karyoscope.pipeline.progress import Progress, Stopped
from karyoscope.pipeline.runs.run import Run
from karyoscope.pipeline.slide_warnings import SlideWarnings
from karyoscope.pipeline.to_files import execute
from karyoscope.report import write_cohort
from karyoscope.slides.base import slide_name


def segment_slides(
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    model: str | Path | Model = "lizard",
    options: SegmentOptions | None = None,
    executor: Executor | None = None,
    listener: BatchListener | None = None,
) -> BatchResult:
    """Segment slides and images, and write their files and those of the cohort.

    A slide that fails is reported and the others are processed. A slide that already has results
    of the same settings is left as it is, and one whose run was stopped continues from there.

    Parameters
    ----------
    paths : str, path or sequence of them
        Slides, images, folders or globs; see :func:`karyoscope.slides.find_slides`. What earlier
        runs wrote into a folder is not taken for a slide. A ``.csv`` is a sample sheet; see
        :func:`karyoscope.slides.sheet.read_sheet`.
    out : path
        Folder of the outputs, ``<stem>.<format>``, or its address (``s3://``); made where it is
        missing. ``cohort.csv`` and
        ``cohort.html`` are written there for several slides, and where they exist.
    model : str, path or Model
        A shipped model by name, a bundle by path, or what the executor's ``load`` returned.
    options : SegmentOptions, optional
        Settings of the run.
    executor : Executor, optional
        Loads the model and runs the blocks; by default that is done here.
    listener : BatchListener, optional
        Is called while the batch runs.

    Returns
    -------
    BatchResult

    Raises
    ------
    InvalidOptions
        If areas that are drawn on one slide are given for several.
    KaryoscopeError
        If the model or the stain cannot be used; no slide is begun then.

    Examples
    --------
    >>> from karyoscope.pipeline import segment_slides
    >>> result = segment_slides("slides/*.svs", "out")  # doctest: +SKIP
    >>> [slide.path.name for slide in result.slides if slide.failed]  # doctest: +SKIP
    []
    """
    options, listener = options or SegmentOptions(), listener or BatchListener()
    executor = executor or LocalExecutor()
    given = [paths] if isinstance(paths, (str, Path)) else paths
    mirror = Mirror(str(out)) if is_address(out) else None
    folder_of_results = Path(out) if mirror is None else mirror.folder
    slides, problems, refused = find_inputs(given, options.recursive)
    options = with_fetched(options)
    folder = check_drawn(slides, options)
    result = BatchResult(problems=problems)
    for problem in problems:
        listener.problem(problem)
    if not slides:
        return result
    loaded = model if isinstance(model, Model) else executor.load(model, options.formats)
    options = options.with_stain_for(loaded, executor.threads)
    made = runs_of(slides, folder_of_results, loaded, options, executor, folder)
    result.problems += made.problems
    for line in (*made.problems, *made.remarks):
        listener.problem(line)
    if mirror is not None:
        pull_cohort(mirror)
    listener.planned([run.path for run in made.runs])
    with closing(_run_all(made, executor, listener, mirror)) as slides_done:
        for slide in slides_done:
            result.slides.append(slide)
            listener.finished(slide)
    samples = {
        slide_name(s.path, options.scene): s.columns for s in slides if s.columns is not None
    }
    failures = _failures(result, refused, options.scene)
    samples = {slide_name(s.path, options.scene): s.columns or {} for s in refused} | samples
    _write_cohort(folder_of_results, result, listener, failures, samples)
    if mirror is not None:
        push_cohort(mirror, result, listener)
    return result


def _run_all(
    made: Runs, executor: Executor, listener: BatchListener, mirror: Mirror | None
) -> Generator[SlideResult]:
    """Results of runs in order; those whose files would have names that are taken fail."""
    runs = made.runs
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run.name, run)
    if len(first) > 1:
        listener = InOrder(listener)
        if executor.slides_at_once == 1:
            executor = Turns(executor)
    stop = threading.Event()
    with SlideWarnings(listener.warning) as heard:

        def work(run: Run) -> SlideResult:
            with heard.of(run.path):
                if run.path in made.notes:
                    warn(made.notes[run.path])
                lines = partial(heard.lines, run.path)
                return run_there(
                    lambda: _run_one(run, executor, listener, lines, Progress(stop=stop)),
                    run,
                    made.addresses.get(run.path),
                    mirror,
                )

        with _begin(list(first.values()), work, executor, stop) as result_of:
            for run in runs:
                listener.begin(run.path)
                if first[run.name] is run:
                    yield result_of(run)
                else:
                    taken = f"its results would have the names of {first[run.name].path}'s"
                    yield SlideResult(run.path, "failed", error=f"{run.path}: {taken}")


@contextmanager
def _begin(
    runs: Sequence[Run],
    work: Callable[[Run], SlideResult],
    executor: Executor,
    stop: threading.Event,
) -> Iterator[Callable[[Run], SlideResult]]:
    """Yield what gives the result of a run; several runs are begun in threads of their own."""
    if len(runs) == 1 or executor.slides_at_once == 1:
        yield work
        return
    pool = ThreadPoolExecutor(executor.slides_at_once, "slide")
    try:
        running = {run.path: pool.submit(work, run) for run in runs}
        yield lambda run: running[run.path].result()
    except BaseException:
        stop.set()
        executor.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _run_one(
    run: Run,
    executor: Executor,
    listener: BatchListener,
    heard: Callable[[], Sequence[str]],
    progress: Progress,
) -> SlideResult:
    """Segment one slide; whatever is wrong with it is in the result."""
    started = time.perf_counter()

    try:
        earlier = run.finished()
        if earlier is not None:
            return SlideResult(run.path, "unchanged", earlier)
        watch = partial(listener.progress, run.path)
        summary = execute(run, executor, watch, heard, progress)
    except Stopped:  # nobody asks for the result
        return SlideResult(run.path, "failed", error="stopped")
    except (KaryoscopeError, OSError, MemoryError) as error:
        resumable = not isinstance(error, LockedError) and _has_journal(run)
        return SlideResult(run.path, "failed", error=_line(run.path, error), resumable=resumable)
    except Exception as error:
        # A defect of a plugin, or of ours; it must not cost the user the other slides.
        blame = fault(error)
        if blame is not None:
            return SlideResult(run.path, "failed", error=f"{run.path}: {blame}")
        return SlideResult(
            run.path, "failed", error="a defect of karyoscope", trace=traceback.format_exc()
        )
    return SlideResult(
        run.path,
        "done",
        summary,
        seconds=time.perf_counter() - started - progress.waited,
        blocks_kept=progress.blocks_kept,
        name=run.name,
    )


def _line(path: Path, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"{path}: not enough memory; close other programs, or give fewer --workers"
    return f"{path}: {error.strerror or error}" if isinstance(error, OSError) else str(error)


def _has_journal(run: Run) -> bool:
    try:
        return run.journal_folder.exists()
    except OSError:  # a name that is too long
        return False


def _failures(
    result: BatchResult, refused: Sequence[Input], scene: int | str | None
) -> dict[str, tuple[str, str]]:
    """Name of the file and reason of each slide that failed, by the stem of its results."""
    failed = {slide_name(row.path, scene): (row.path.name, row.problem) for row in refused}
    for slide in result.slides:
        name = slide_name(slide.path, scene)
        failed.pop(name, None)
        if slide.status == "failed":
            failed[name] = slide.path.name, slide.error
    return failed


def _write_cohort(
    out: Path,
    result: BatchResult,
    listener: BatchListener,
    failures: Mapping[str, tuple[str, str]],
    samples: Mapping[str, Mapping[str, str]],
) -> None:
    """Write the table and the page of all slides in the folder, where there are several."""
    several = len(result.slides) > 1 or samples or (out / COHORT).exists()
    if not os.path.isdir(out) or not several:
        return
    try:
        if samples:
            add_samples(out, samples)
        with listening(listener.problem):
            result.cohort = write_cohort(out, failures)
    except (KaryoscopeError, OSError, MemoryError) as error:
        result.problems_after.append(str(error))
        listener.problem(str(error))
