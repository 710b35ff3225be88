"""What every format offers: blocks of nuclei in, a file under its final name when all is well."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import cannot_write, partial_name, put_in_place, remove
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.export.run_report import RunReport

if TYPE_CHECKING:
    from karyoscope.export.slide_figures import SlideFigures

Reader = Callable[[int, int, int, int, float | None], np.ndarray]


@dataclass(frozen=True)
class ExportContext:
    """What a file says about its nuclei besides the nuclei.

    Attributes
    ----------
    slide : str
        Name of the input, without its folder.
    size : tuple of int
        Width and height of level 0 in pixels.
    mpp : float
        Micrometres per pixel of level 0.
    taxonomy : Taxonomy
        What the class ids mean.
    model, model_version, model_licence : str
        The model that found the nuclei.
    mpp_axes : tuple of float, or None
        Micrometres per pixel along x and y, where a scanner's pixels are not square.
    scanned_from : tuple of int
        Corner, in pixels of level 0, of the part that was scanned, for formats that say so (MRXS,
        SCN). QuPath counts from there; every other position here counts from that of level 0.
    read : callable
        ``read(x, y, width, height, mpp)``: a window as (height, width, 3) uint8 RGB, in pixels of
        the grid that has ``mpp`` micrometres per pixel (None: level 0) and the origin of level 0.
        Needed by the formats that show pixels.
    page : callable
        Turns the figures of the slide into the text of an HTML page, such as
        :func:`karyoscope.report.slide.slide_page`. Needed by the format ``report``.
    measurements : tuple of str
        Names of the further columns that the nuclei have, so that a table without rows has them.
    """

    slide: str
    size: tuple[int, int]
    mpp: float
    taxonomy: Taxonomy
    model: str = ""
    model_version: str = ""
    model_licence: str = ""
    mpp_axes: tuple[float, float] | None = None
    scanned_from: tuple[int, int] = (0, 0)
    read: Reader | None = None
    page: Callable[[SlideFigures], str] | None = None
    measurements: tuple[str, ...] = ()

    @property
    def mpp_x(self) -> float:
        """Micrometres per pixel along x."""
        return self.mpp_axes[0] if self.mpp_axes else self.mpp

    @property
    def mpp_y(self) -> float:
        """Micrometres per pixel along y."""
        return self.mpp_axes[1] if self.mpp_axes else self.mpp

    @property
    def area_mm2(self) -> float:
        """Area of the whole image in square millimetres."""
        return self.size[0] * self.mpp_x * self.size[1] * self.mpp_y * 1e-6

    def empty(self) -> Nuclei:
        """A table without rows, and with all columns."""
        columns = {name: np.zeros(0, np.float32) for name in self.measurements}
        return replace(Nuclei.empty(self.taxonomy, self.mpp), measurements=columns)

    def provenance(self) -> dict[str, Any]:
        """Plain data for the header of a file: slide, scale, model, software."""
        # Only where it matters, so that most headers have no need of an explanation.
        cropped = {"scanned_from": list(self.scanned_from)} if any(self.scanned_from) else {}
        return {
            "slide": self.slide,
            "size": list(self.size),
            **cropped,
            "mpp": self.mpp,
            "mpp_axes": [self.mpp_x, self.mpp_y],
            "model": {
                "name": self.model,
                "version": self.model_version,
                "licence": self.model_licence,
            },
            "software": f"karyoscope {version('karyoscope')}",
        }

    def uuid(self, number: int) -> str:
        """UUID that is the same in every run: version 8 (RFC 9562, free contents).

        It begins with a digest of :meth:`provenance` and ends in ``number`` as twelve hexadecimal
        digits.
        """
        return f"{self._uuid_prefix}{number:012x}"

    @cached_property
    def _uuid_prefix(self) -> str:
        text = json.dumps(self.provenance(), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-"


class AllOrNothing(ABC):
    """Closed at the end of a ``with`` block, given up where it ends in an error."""

    @abstractmethod
    def close(self) -> None:
        """Complete the output under its final name."""

    @abstractmethod
    def abort(self) -> None:
        """Give up: nothing stays on the disk."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class Writer(AllOrNothing):
    """One output, written block by block and renamed to its final name at the end.

    Subclasses set ``name`` and ``suffix`` and implement :meth:`_open`, :meth:`_write` and
    :meth:`_finish`; they write only to ``self.partial`` (and to ``self.scratch``, a folder that is
    removed in any case). Nothing they keep may grow with the number of nuclei.

    Parameters
    ----------
    path : Path
        Final name. What is there is replaced, but only by :meth:`commit`.
    context : ExportContext
        Slide, scale, classes, model.

    Attributes
    ----------
    name : str
        The format on the command line.
    suffix : str
        Follows the stem of the input in the name of the file.
    companions : tuple of str
        Suffixes of further files that belong to the output.
    reports_run : bool
        Whether the output holds what only the end of the run knows, such as the time of each
        stage. Such outputs are completed after all others.
    run : RunReport
        What the run reports; known from :meth:`finish` on.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    companions: ClassVar[tuple[str, ...]] = ()
    reports_run: ClassVar[bool] = False

    def __init__(self, path: Path, context: ExportContext) -> None:
        self.path = Path(path)
        self.context = context
        self.partial = partial_name(self.path)
        self.scratch = partial_name(self.path.with_name(self.path.name + ".scratch"))
        self.run = RunReport()
        self._state = "open"
        self._discard()
        with self._guarded():
            self._open()

    @classmethod
    def paths(cls, path: Path) -> list[Path]:
        """Every final name that an output at ``path`` has, the main one first."""
        stem = path.name.removesuffix(cls.suffix)
        return [path, *(path.with_name(stem + suffix) for suffix in cls.companions)]

    def write(self, nuclei: Nuclei) -> None:
        """Add a block of nuclei; may be called any number of times.

        Parameters
        ----------
        nuclei : Nuclei
            In pixels of level 0; ids distinct over all blocks; every outline has three vertices
            or more.

        Raises
        ------
        KaryoscopeError
            If the disk is full or the file cannot be written; the output is then given up.
        """
        if self._state != "open":
            raise ValueError(f"{self.path.name} is {self._state}, nothing can be written to it")
        short = np.flatnonzero(np.diff(nuclei.offsets) < 3)
        if len(short):
            raise ValueError(f"the outline of nucleus {nuclei.id[short[0]]} has too few vertices")
        if len(nuclei):
            with self._guarded():
                self._write(nuclei)

    def finish(self, run: RunReport | None = None) -> None:
        """Write what comes after the last nucleus; the result has no final name yet.

        Parameters
        ----------
        run : RunReport, optional
            What the run reports. Without it, densities refer to the whole image.
        """
        if self._state == "open":
            self.run = self.run if run is None else run
            with self._guarded():
                self._finish()
            self._state = "finished"

    def commit(self) -> None:
        """Give the finished result its final name, in the place of what was there."""
        if self._state == "finished":
            with self._guarded():
                for path in self.paths(self.path):
                    put_in_place(partial_name(path), path)
            self._state = "closed"
            self._discard()

    def close(self) -> None:
        """Finish and commit."""
        self.finish()
        self.commit()

    def abort(self) -> None:
        """Give up: nothing of this output stays on the disk, and what was there before does."""
        if self._state not in ("closed", "aborted"):
            self._state = "aborted"
            self._release()
            self._discard()

    @abstractmethod
    def _open(self) -> None:
        """Create the partial file."""

    @abstractmethod
    def _write(self, nuclei: Nuclei) -> None:
        """Add one block that has at least one nucleus."""

    @abstractmethod
    def _finish(self) -> None:
        """Complete and close the partial file."""

    def _release(self) -> None:
        """Close what is open, without an error; called before the partial file is removed."""

    def _discard(self) -> None:
        for path in (*map(partial_name, self.paths(self.path)), self.scratch):
            remove(path)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Abort on any error, and say in one line what the system has against writing."""
        try:
            yield
        except OSError as error:
            self.abort()
            raise KaryoscopeError(cannot_write(self.path, error)) from error
        except BaseException:
            self.abort()
            raise


def close_quietly(file: IO[Any]) -> None:
    """Close a file that is about to be removed, though its last bytes may find no room."""
    with suppress(OSError):
        file.close()
