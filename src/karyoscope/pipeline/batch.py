"""Segment many slides: find them, run them, go on where one fails, write the cohort."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.export.cohort import NAME as COHORT
from karyoscope.inference import Model
from karyoscope.pipeline.batch_inputs import find_inputs
from karyoscope.pipeline.batch_result import BatchListener, BatchResult, SlideResult
from karyoscope.pipeline.batch_warnings import SlideWarnings
from karyoscope.pipeline.executor import Executor, LocalExecutor
from karyoscope.pipeline.options import InvalidOptions, SegmentOptions
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.runs.run import Run
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

    A slide that fails is reported and the others go on. A slide whose results are there, made
    with the same settings, is left as it is, and one whose run was stopped goes on from there.

    Parameters
    ----------
    paths : str, path or sequence of them
        Slides, images, folders or globs; see :func:`karyoscope.slides.find_slides`. What earlier
        runs wrote into a folder is not taken for a slide.
    out : path
        Folder of the outputs, ``<stem>.<format>``; made where it is missing. ``cohort.csv`` and
        ``cohort.html`` are written there for several slides, and where they exist.
    model : str, path or Model
        A shipped model by name, a bundle by path, or what the executor's ``load`` returned.
    options : SegmentOptions, optional
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
    slides, problems = find_inputs([paths] if isinstance(paths, (str, Path)) else paths)
    if options.tissue not in ("auto", "none") and len(slides) > 1:
        raise InvalidOptions(
            f"tissue {options.tissue} is drawn on one slide; {len(slides)} are given"
        )
    result = BatchResult(problems=problems)
    for problem in problems:
        listener.problem(problem)
    if not slides:
        return result
    loaded = model if isinstance(model, Model) else executor.load(model, options.formats)
    options = options.with_stain_for(loaded, executor.threads)
    runs = [Run(executor.locate(path), out, loaded, options) for path in slides]
    for slide in _run_all(runs, executor, listener):
        result.slides.append(slide)
        listener.finished(slide)
    _write_cohort(Path(out), result, listener)
    return result


def _run_all(
    runs: Sequence[Run], executor: Executor, listener: BatchListener
) -> Iterator[SlideResult]:
    """Results of runs in order; those whose files would have names that are taken fail."""
    first: dict[str, Run] = {}
    for run in runs:
        first.setdefault(run.name, run)
    with SlideWarnings(listener.warning) as heard:

        def work(run: Run) -> SlideResult:
            with heard.of(run.path):
                return _run_one(run, executor, listener)

        with _begin(list(first.values()), work, executor) as result_of:
            for run in runs:
                listener.begin(run.path)
                if first[run.name] is run:
                    yield result_of(run)
                else:
                    taken = f"its results would have the names of {first[run.name].path}'s"
                    yield SlideResult(run.path, "failed", error=f"{run.path}: {taken}")


@contextmanager
def _begin(
    runs: Sequence[Run], work: Callable[[Run], SlideResult], executor: Executor
) -> Iterator[Callable[[Run], SlideResult]]:
    """Yield what gives the result of a run; several are begun where the executor can take them."""
    if executor.slides_at_once == 1:
        yield work
        return
    pool = ThreadPoolExecutor(executor.slides_at_once, "slide")
    try:
        running = {run.path: pool.submit(work, run) for run in runs}
        yield lambda run: running[run.path].result()
    except BaseException:
        executor.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _run_one(run: Run, executor: Executor, listener: BatchListener) -> SlideResult:
    """Segment one slide; whatever is wrong with it is in the result."""
    started, kept = time.perf_counter(), 0

    def watch(progress: Progress) -> None:
        nonlocal kept
        kept = progress.blocks_kept
        listener.progress(run.path, progress)

    try:
        earlier = run.finished()
        if earlier is not None:
            return SlideResult(run.path, "unchanged", earlier)
        summary = execute(run, executor, watch)
    except (KaryoscopeError, OSError) as error:
        line = f"{run.path}: {error.strerror or error}" if isinstance(error, OSError) else error
        resumable = run.journal_folder.exists()
        return SlideResult(run.path, "failed", error=str(line), resumable=resumable)
    except Exception:
        # A defect of ours; it must not cost the user the other slides.
        return SlideResult(
            run.path, "failed", error="a defect of karyoscope", trace=traceback.format_exc()
        )
    seconds = time.perf_counter() - started
    return SlideResult(run.path, "done", summary, seconds=seconds, blocks_kept=kept)


def _write_cohort(out: Path, result: BatchResult, listener: BatchListener) -> None:
    """Write the table and the page of all slides in the folder, where there are several."""
    if not out.is_dir() or not (len(result.slides) > 1 or (out / COHORT).exists()):
        return
    failures = {
        slide_name(slide.path): (slide.path.name, slide.error)
        for slide in result.slides
        if slide.status == "failed"
    }
    try:
        result.cohort = write_cohort(out, failures)
    except KaryoscopeError as error:
        result.problems_after.append(str(error))
        listener.problem(str(error))
