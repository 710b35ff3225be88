"""Nuclei -> files: one file a format, all streamed, all renamed when complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import cannot_write
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.registry import Registry
from karyoscope.export.annotationstore import AnnotationStoreWriter
from karyoscope.export.base import AllOrNothing, ExportContext, Writer
from karyoscope.export.conic import ConicWriter
from karyoscope.export.csv import CSVWriter
from karyoscope.export.geojson import GeoJSONWriter, GzippedGeoJSONWriter
from karyoscope.export.h5ad import H5ADWriter
from karyoscope.export.hovernet import HoverNetWriter
from karyoscope.export.labels import LabelsWriter
from karyoscope.export.omezarr import OMEZarrWriter
from karyoscope.export.overlay import OverlayWriter
from karyoscope.export.parquet import ParquetWriter, iterate_parquet, read_context, read_parquet
from karyoscope.export.report import ReportWriter
from karyoscope.export.run_report import RunReport
from karyoscope.export.slide_figures import SlideFigures
from karyoscope.export.spatialdata import SpatialDataWriter
from karyoscope.export.summary import SummaryWriter, summary_table

__all__ = [
    "WRITERS",
    "ExportContext",
    "RunReport",
    "SlideFigures",
    "Writer",
    "Writers",
    "iterate_parquet",
    "open_writers",
    "read_context",
    "read_parquet",
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
        ReportWriter,
        SummaryWriter,
    ),
)


class Writers(AllOrNothing):
    """The outputs of one slide as one: all of them appear, or none.

    Attributes
    ----------
    summary : SummaryWriter
        Always among them.
    """

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = list(writers)
        self.summary = next(w for w in self._writers if isinstance(w, SummaryWriter))

    @property
    def paths(self) -> list[Path]:
        """Final names of all outputs."""
        return [path for w in self._writers for path in w.paths(w.path)]

    def write(self, nuclei: Nuclei) -> None:
        """Add a block of nuclei to every output."""
        try:
            for writer in self._writers:
                writer.write(nuclei)
        except BaseException:
            self.abort()
            raise

    def finish(self) -> None:
        """Complete every output but those that report the run, such as how long that took."""
        try:
            for writer in self._writers:
                if not writer.reports_run:
                    writer.finish()
        except BaseException:
            self.abort()
            raise

    def report(self, run: RunReport) -> None:
        """Complete every output, those that report the run with what it reports."""
        self.finish()
        try:
            for writer in self._writers:
                writer.finish(run)
        except BaseException:
            self.abort()
            raise

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

    def abort(self) -> None:
        """Give up every output that has no final name yet."""
        for writer in self._writers:
            writer.abort()


def open_writers(
    out_dir: str | Path,
    stem: str,
    formats: Sequence[str],
    context: ExportContext,
    overwrite: bool = False,
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

    Returns
    -------
    Writers

    Raises
    ------
    KaryoscopeError
        If a format is unknown, an output exists, or the folder cannot be written.
    """
    # The summary is renamed last, so that it vouches for the others.
    names = [*dict.fromkeys(n for n in formats if n != SummaryWriter.name), SummaryWriter.name]
    folder = Path(out_dir)
    targets = {name: folder / (stem + WRITERS.find(name).suffix) for name in names}
    existing = [
        path
        for name, target in targets.items()
        for path in WRITERS[name].paths(target)
        if path.exists()
    ]
    if existing and not overwrite:
        raise KaryoscopeError(f"{existing[0]} exists; use --overwrite to replace it")
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
    return Writers(opened)
