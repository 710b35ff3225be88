"""What every format offers: blocks of nuclei in, a file under its final name when all is well."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Self

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import (
    cannot_write,
    digest_of,
    partial_name,
    put_in_place,
    remove,
    remove_leftovers,
)
from karyoscope.core.nuclei import Nuclei
from karyoscope.formats.context import ExportContext
from karyoscope.formats.run_report import RunReport


class AllOrNothing(ABC):
    """An output that is completed at the end of a ``with`` block, or removed after an error."""

    @abstractmethod
    def close(self) -> None:
        """Complete the output under its final name."""

    @abstractmethod
    def abort(self) -> None:
        """Remove the incomplete output."""

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
    about : str
        One line on the content, for lists of formats.
    opens_in : str
        Programs and libraries that read it, for lists of formats.
    needs : tuple of (str, str), optional
        Extra of karyoscope and package of it, without which the format cannot be written.
    reports_run : bool
        Whether the output holds what only the end of the run knows, such as the time of each
        stage. Such outputs are completed after all others.
    run : RunReport
        What the run reports; known from :meth:`finish` on.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    companions: ClassVar[tuple[str, ...]] = ()
    about: ClassVar[str] = ""
    opens_in: ClassVar[str] = ""
    needs: ClassVar[tuple[str, str] | tuple[()]] = ()
    reports_run: ClassVar[bool] = False

    def __init__(self, path: Path, context: ExportContext) -> None:
        self.path = Path(path)
        self.context = context
        self._partials = {final: partial_name(final) for final in self.paths(self.path)}
        self.partial = self._partials[self.path]
        self.scratch = partial_name(self.path.with_name(self.path.name + ".scratch"))
        self.run = RunReport()
        self._state = "open"
        for final in self._partials:
            remove_leftovers(final)
        with self._guarded():
            self._open()

    @classmethod
    def paths(cls, path: Path) -> list[Path]:
        """Every final name that an output at ``path`` has, the main one first."""
        stem = path.name.removesuffix(cls.suffix)
        return [path, *(path.with_name(stem + suffix) for suffix in cls.companions)]

    def companion(self, number: int) -> Path:
        """Name to write a companion to, until it is complete; counted from 0."""
        return self._partials[self.paths(self.path)[1 + number]]

    def digests(self) -> dict[str, dict[str, Any]]:
        """Bytes and SHA-256 of every file of the finished output, by its final name."""
        found = {}
        with self._guarded():
            for path, partial in self._partials.items():
                size, digest = digest_of(partial)
                found[path.name] = {"bytes": size, "sha256": digest}
        return found

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
            What the run reports. Without it there are no densities, since the tissue is not known.
        """
        if self._state == "open":
            self.run = self.run if run is None else run
            with self._guarded():
                self._finish()
            self._state = "finished"

    def commit(self) -> None:
        """Give the finished result its final name; a file of that name is replaced."""
        if self._state == "finished":
            with self._guarded():
                for path, partial in self._partials.items():
                    put_in_place(partial, path)
            self._state = "closed"
            self._discard()

    def close(self) -> None:
        """Finish and commit."""
        self.finish()
        self.commit()

    def abort(self) -> None:
        """Remove the incomplete output; an earlier output is kept."""
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
        for path in (*self._partials.values(), self.scratch):
            with suppress(OSError):
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
    """Close a file that will be removed, ignoring errors when its buffer is flushed."""
    with suppress(OSError):
        file.close()
