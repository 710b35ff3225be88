"""Output formats. Each is one class in a file of its own, registered in :data:`WRITERS`.

Files are written as a stream, and get their final names when all of a slide are complete.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import cannot_write
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import require
from karyoscope.core.registry import Registry
from karyoscope.formats.base import AllOrNothing, Writer
from karyoscope.formats.context import ExportContext
from karyoscope.formats.images.conic import ConicWriter
from karyoscope.formats.images.labels import LabelsWriter
from karyoscope.formats.images.omezarr import OMEZarrWriter
from karyoscope.formats.images.overlay import OverlayWriter
from karyoscope.formats.listing import rows_of, table_of
from karyoscope.formats.outlines.geojson import GeoJSONWriter, GzippedGeoJSONWriter
from karyoscope.formats.outlines.hovernet import HoverNetWriter
from karyoscope.formats.outlines.quality import QualityWriter
from karyoscope.formats.report.writer import ReportWriter
from karyoscope.formats.rounding import rounded
from karyoscope.formats.run_report import RunReport
from karyoscope.formats.scverse.h5ad import H5ADWriter
from karyoscope.formats.scverse.spatialdata import SpatialDataWriter
from karyoscope.formats.slide_figures import SlideFigures
from karyoscope.formats.summaries.regions import RegionsWriter
from karyoscope.formats.summaries.spatial import SpatialWriter
from karyoscope.formats.summaries.summary import SummaryWriter, summary_table
from karyoscope.formats.tables.annotationstore import AnnotationStoreWriter
from karyoscope.formats.tables.csv import CSVWriter
from karyoscope.formats.tables.nuclei_file import NucleiFile
from karyoscope.formats.tables.parquet import (
    ParquetWriter,
    iterate_parquet,
    read_context,
    read_parquet,
)

Result = TypeVar("Result")

__all__ = [
    "WRITERS",
    "ExportContext",
    "NucleiFile",
    "RunReport",
    "SlideFigures",
    "Writer",
    "Writers",
    "format_rows",
    "format_table",
    "iterate_parquet",
    "open_writers",
    "read_context",
    "read_parquet",
    "require_packages",
    "summary_table",
]

WRITERS: Registry[type[Writer]] = Registry.by_name(
    "format",
    (
        GeoJSONWriter,
        GzippedGeoJSONWriter,
        ParquetWriter,
        CSVWriter,
        LabelsWriter,
        OverlayWriter,
        SpatialDataWriter,
        H5ADWriter,
        AnnotationStoreWriter,
        OMEZarrWriter,
        HoverNetWriter,
        ConicWriter,
        RegionsWriter,
        QualityWriter,
        SpatialWriter,
        ReportWriter,
        SummaryWriter,
    ),
    group="karyoscope.formats",
    kind=Writer,
)


def format_rows(default: Collection[str] = ()) -> list[dict[str, Any]]:
    """One dict a format, also of installed packages; see :mod:`karyoscope.formats.listing`.

    Parameters
    ----------
    default : collection of str
        Names of the formats that are marked as written by default.
    """
    return rows_of([*WRITERS.items(), *WRITERS.installed()], default)


def format_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Render the result of :func:`format_rows` for the terminal."""
    return table_of(rows)


class Writers(AllOrNothing):
    """The outputs of one slide as one: all of them appear, or none.

    Parameters
    ----------
    writers : sequence of Writer
        One of them writes the summary.
    threads : int
        Threads in which writers work at the same time, each on its own file; with fewer than two,
        one after the other in the caller's. The files are the same.

    Attributes
    ----------
    summary : SummaryWriter
        Always among them.
    """

    def __init__(self, writers: Sequence[Writer], threads: int = 0) -> None:
        self._writers = list(writers)
        self._pool = ThreadPoolExecutor(threads, "write") if threads > 1 else None
        self.summary = next(w for w in self._writers if isinstance(w, SummaryWriter))

    @property
    def paths(self) -> list[Path]:
        """Final names of all outputs."""
        # Formats with label images share the table of ids.
        return list(dict.fromkeys(path for w in self._writers for path in w.paths(w.path)))

    def write(self, nuclei: Nuclei) -> None:
        """Add a block of nuclei to every output, with the same digits in each."""
        nuclei = rounded(nuclei)
        self._each(lambda writer: writer.write(nuclei), self._writers)

    def finish(self) -> None:
        """Complete every output except those that contain the report of the run."""
        self._each(lambda writer: writer.finish(), [w for w in self._writers if not w.reports_run])

    def report(self, run: RunReport) -> None:
        """Complete every output; those that report on the run receive its report."""
        self.finish()

        def finished(writer: Writer) -> dict[str, dict[str, Any]]:
            writer.finish(run)
            return writer.digests()

        # The summary comes last: it vouches for the size and digest of all others.
        files = dict(run.files)
        for found in self._each(finished, [w for w in self._writers if w is not self.summary]):
            files |= found
        self._each(lambda writer: writer.finish(replace(run, files=files)), [self.summary])

    def close(self) -> None:
        """Complete every output, and only then give each its final name.

        Without :meth:`report` before, the outputs say nothing of the run.
        """
        self.report(RunReport())
        try:
            for writer in self._writers:
                writer.commit()
        except BaseException:
            self.abort()
            raise
        self._end_threads()

    def abort(self) -> None:
        """Give up every output that has no final name yet."""
        self._end_threads()
        for writer in self._writers:
            writer.abort()

    def _each(self, work: Callable[[Writer], Result], writers: Sequence[Writer]) -> list[Result]:
        """Call a function with writers; after the first error, all outputs are given up."""
        try:
            if self._pool is None:
                return [work(writer) for writer in writers]
            running = [self._pool.submit(copy_context().run, work, writer) for writer in writers]
            wait(running)
            return [each.result() for each in running]
        except BaseException:
            self.abort()
            raise

    def _end_threads(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def open_writers(
    out_dir: str | Path,
    stem: str,
    formats: Sequence[str],
    context: ExportContext,
    overwrite: bool = False,
    threads: int = 0,
) -> Writers:
    """Open one writer a format for one slide; the summary is always among them.

    Parameters
    ----------
    out_dir : str or Path
        Created if absent.
    stem : str
        First part of every name, such as ``"slide"`` for ``slide.geojson``.
    formats : sequence of str
        Keys of ``WRITERS``.
    context : ExportContext
        Slide, scale, classes, model.
    overwrite : bool
        Replace outputs that exist. Even then they stay until the new ones are complete.
    threads : int
        See :class:`Writers`.

    Returns
    -------
    Writers

    Raises
    ------
    KaryoscopeError
        If a format is unknown, an output exists, or the folder cannot be written.
    """
    targets = check_targets(out_dir, stem, formats, overwrite)
    folder = Path(out_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KaryoscopeError(cannot_write(folder, error)) from error
    opened: list[Writer] = []
    try:
        for name, target in targets.items():
            opened.append(WRITERS[name](target, context))
    except BaseException:
        for writer in opened:
            writer.abort()
        raise
    return Writers(opened, threads)


def check_targets(
    out_dir: str | Path, stem: str, formats: Sequence[str], overwrite: bool = False
) -> dict[str, Path]:
    """Return the main file of each format, in the order in which they are written.

    Raises
    ------
    KaryoscopeError
        If a format is unknown or needs a package that is not installed, two would write one file,
        or an output exists.
    """
    require_packages(formats)
    # The summary is renamed last, so that it vouches for the others.
    names = [*dict.fromkeys(n for n in formats if n != SummaryWriter.name), SummaryWriter.name]
    folder = Path(out_dir)
    targets = {name: folder / (stem + WRITERS.find(name).suffix) for name in names}
    _require_own_names(targets)
    existing = [
        path
        for name, target in targets.items()
        for path in WRITERS[name].paths(target)
        if path.exists()
    ]
    if existing and not overwrite:
        raise KaryoscopeError(f"{existing[0]} exists; use --overwrite to replace it")
    return targets


def require_packages(formats: Sequence[str]) -> None:
    """Check that what the formats need is installed.

    Raises
    ------
    KaryoscopeError
        If a format is unknown, or a package is missing; names the extra that brings it.
    """
    for name in formats:
        needs = WRITERS.find(name).needs
        if needs:
            require(*needs, purpose=f"format {name!r}")


def _require_own_names(targets: Mapping[str, Path]) -> None:
    """Refuse formats, such as those of plugins, that would write the same file."""
    first: dict[Path, str] = {}
    for name, target in targets.items():
        other = first.setdefault(target, name)
        if other != name:
            raise KaryoscopeError(f"formats {other!r} and {name!r} both write {target.name}")
