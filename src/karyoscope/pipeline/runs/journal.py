"""Finished blocks of a slide on disk, from which an interrupted run resumes.

A journal is a folder: ``header.json`` says what the blocks are of (slide, model, options), and
each block that is done has one file, written under another name, synchronised and renamed. So
whatever is there under its final name is complete, at whatever moment a run ends. It ends in its
own digest, so that one which a disk damaged is known and run again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from karyoscope.core.arrow import number_array, numbers_of
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import cannot_write, remove, write_bytes
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.pipeline.tiling.report import BlockReport

_HEADER, _FINISHED = "header.json", "finished"
_SUFFIX = ".arrow"
_PARTIAL = ".partial"
_DIGEST_BYTES = 32
_REPORT = b"karyoscope"
_PLAIN = ("id", "class_id", "x", "y", "area_um2")
_MEASUREMENT = "measurement "


class Journal:
    """The finished blocks of one slide.

    Parameters
    ----------
    folder : path
        Made where it is missing. What a killed run left half-written in it is removed.
    settings : mapping
        All that the blocks depend on, as plain data. A journal of other settings is discarded.
    taxonomy : Taxonomy
        Classes of the nuclei in it.
    mpp : float
        Micrometres per pixel of level 0, of the nuclei that :meth:`get` returns.

    Attributes
    ----------
    discarded : str
        The first of the settings in which a journal that was here differed; empty where there was
        none.

    Raises
    ------
    KaryoscopeError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> taxonomy = Taxonomy.load("lizard")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = Journal(f"{folder}/journal", {"slide": "a.svs"}, taxonomy, 0.5)
    ...     journal.put(3, Nuclei.empty(taxonomy, 0.5), BlockReport(1e6))
    ...     journal.done()
    {3}
    """

    def __init__(
        self, folder: str | Path, settings: Mapping[str, Any], taxonomy: Taxonomy, mpp: float
    ) -> None:
        self.folder = Path(folder)
        self._taxonomy, self._mpp = taxonomy, mpp
        header = json.dumps(settings, sort_keys=True, indent=1)
        self.discarded = _difference(_read_header(self.folder), json.loads(header))
        try:
            if self.discarded:
                self.remove()
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob("*" + _PARTIAL):
                path.unlink(missing_ok=True)
            if not (self.folder / _HEADER).exists():
                self._write(_HEADER, header.encode())
        except OSError as error:
            raise self._cannot_write(error) from error

    @classmethod
    def is_begun(cls, folder: str | Path, settings: Mapping[str, Any]) -> bool:
        """Whether a run with these settings began to write results and did not finish them."""
        header = _read_header(Path(folder))
        same = header is not None and header == json.loads(json.dumps(settings))
        return same and not (Path(folder) / _FINISHED).exists()

    @property
    def finished(self) -> bool:
        """Whether the results have been written; the journal is of use for their gaps only."""
        return (self.folder / _FINISHED).exists()

    def finish(self) -> None:
        """Note that the results have been written, though with gaps."""
        (self.folder / _FINISHED).touch()

    def reopen(self) -> None:
        """Note that results are to be written again, with fewer gaps."""
        for index in self.done():
            if self.report(index).unread:
                self.forget(index)
        (self.folder / _FINISHED).unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        found = self.folder.glob("*" + _SUFFIX)
        return [path for path in found if path.stem.isascii() and path.stem.isdecimal()]

    def done(self) -> set[int]:
        """Indices of the blocks that are done."""
        return {int(path.stem) for path in self._files() if _is_whole(path)}

    def remove_damaged(self) -> int:
        """Remove damaged blocks, so that they are run again; return how many there were."""
        damaged = [path for path in self._files() if not _is_whole(path)]
        try:
            for path in damaged:
                remove(path)
        except OSError as error:
            raise self._cannot_write(error) from error
        return len(damaged)

    def put(self, index: int, nuclei: Nuclei, report: BlockReport) -> None:
        """Keep the result of a block; an earlier result of the same block is replaced.

        Raises
        ------
        KaryoscopeError
            If the disk is full or the folder cannot be written; the other blocks stay.
        """
        try:
            self._write(f"{index}{_SUFFIX}", _encode(nuclei, report))
        except OSError as error:
            raise self._cannot_write(error) from error

    def get(self, index: int) -> tuple[Nuclei, BlockReport]:
        """Nuclei of a block, bit for bit as they were stored, and the report of the block.

        Raises
        ------
        KaryoscopeError
            If the file is damaged.
        KeyError
            If the block is not done.
        """
        path = self.folder / f"{index}{_SUFFIX}"
        try:
            return _decode(_content(path.read_bytes()), self._taxonomy, self._mpp)
        except FileNotFoundError:
            raise KeyError(index) from None
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise KaryoscopeError(f"{path} is damaged; remove it and run again") from error

    def report(self, index: int) -> BlockReport:
        """BlockReport of a block without its nuclei."""
        data = _content((self.folder / f"{index}{_SUFFIX}").read_bytes())
        metadata = pa.ipc.open_file(pa.BufferReader(data)).schema.metadata
        return BlockReport.from_json(metadata[_REPORT])

    def forget(self, index: int) -> None:
        """Remove a block, so that it is run again."""
        (self.folder / f"{index}{_SUFFIX}").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the journal: its slide is finished."""
        # The header goes first: what is left of an interrupted removal is no journal.
        (self.folder / _HEADER).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, name: str, data: bytes) -> None:
        try:
            write_bytes(self.folder / name, data)
        except KaryoscopeError as error:
            # To the user the journal is one thing: its files are not named.
            cause = error.__cause__
            raise self._cannot_write(cause) if isinstance(cause, OSError) else error from cause

    def _cannot_write(self, error: OSError) -> KaryoscopeError:
        return KaryoscopeError(cannot_write(self.folder, error))


def _read_header(folder: Path) -> dict[str, Any] | None:
    """Settings of a journal; none where it has no sound header, None where there is no journal."""
    try:
        found = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {} if any(folder.glob("*" + _SUFFIX)) else None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _difference(found: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str:
    """First of the settings that differs; empty where none does or there are none to compare."""
    if found is None:
        return ""
    for key in [*wanted, *found]:
        if key not in found or key not in wanted or found[key] != wanted[key]:
            return key
    return ""


def _content(data: bytes) -> bytes:
    """What a file holds before its digest; raises ValueError where it is damaged."""
    content, digest = data[:-_DIGEST_BYTES], data[-_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise ValueError("the digest does not fit")
    return content


def _is_whole(path: Path) -> bool:
    """Whether a file is as it was put."""
    try:
        _content(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _encode(nuclei: Nuclei, report: BlockReport) -> bytes:
    """One Arrow file with a row a nucleus; the report is in the metadata of its schema."""
    columns = {name: number_array(getattr(nuclei, name)) for name in _PLAIN}
    points = pa.FixedSizeListArray.from_arrays(number_array(nuclei.vertices.ravel()), 2)
    columns["outline"] = pa.LargeListArray.from_arrays(number_array(nuclei.offsets), points)
    classes = nuclei.probabilities.shape[1]
    if classes:
        flat = number_array(nuclei.probabilities.ravel())
        columns["probabilities"] = pa.FixedSizeListArray.from_arrays(flat, classes)
    for name, values in nuclei.measurements.items():
        columns[_MEASUREMENT + name] = number_array(np.ascontiguousarray(values))
    batch = pa.record_batch(columns).replace_schema_metadata({_REPORT: report.to_json()})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.ipc.new_file(sink, batch.schema, options=options) as file:
        file.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content + hashlib.sha256(content).digest()


def _decode(data: bytes, taxonomy: Taxonomy, mpp: float) -> tuple[Nuclei, BlockReport]:
    batch = pa.ipc.open_file(pa.BufferReader(data)).get_batch(0)
    outline = batch["outline"]
    names = batch.schema.names
    shape = len(batch), -1 if len(batch) else len(taxonomy)
    plain: dict[str, Any] = {name: numbers_of(batch[name]) for name in _PLAIN}
    nuclei = Nuclei(
        taxonomy,
        mpp,
        **plain,
        probabilities=numbers_of(batch["probabilities"].values).reshape(shape)
        if "probabilities" in names
        else np.zeros((len(batch), 0)),
        vertices=numbers_of(outline.values.values).reshape(-1, 2),
        offsets=numbers_of(outline.offsets),
        measurements={
            name.removeprefix(_MEASUREMENT): numbers_of(batch[name])
            for name in names
            if name.startswith(_MEASUREMENT)
        },
    )
    assert batch.schema.metadata is not None
    return nuclei, BlockReport.from_json(batch.schema.metadata[_REPORT])
