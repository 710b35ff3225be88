"""GeoParquet: a table of nuclei with outlines, for geopandas, DuckDB, QGIS and SpatialData."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from karyoscope.core.arrow import number_array, text_array
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import COLUMN
from karyoscope.core.taxonomy import UNCLASSIFIED, Taxonomy
from karyoscope.formats.base import Writer, close_quietly
from karyoscope.formats.context import ExportContext
from karyoscope.formats.tables.columns import columns
from karyoscope.formats.tables.wkb import from_wkb, to_wkb

#: A group waits in memory, 600 bytes for each nucleus, and for a moment its copy beside it.
ROW_GROUP = 32768
_SLIDE = "slide"


class ParquetWriter(Writer):
    """GeoParquet 1.1 with outlines as WKB polygons in pixels of level 0.

    The coordinate reference system is ``null``, which means "unknown" (left out, it would mean
    longitude and latitude). The column ``slide`` names the input, so that files of several slides
    are one table. The key ``karyoscope`` of the file's metadata holds slide, scale,
    model and taxonomy as JSON.
    """

    name = "parquet"
    about = "outlines and every column; what `karyoscope features` and `view` read"
    opens_in = "geopandas, pandas, polars, DuckDB, R"
    suffix = ".parquet"
    names_slide: ClassVar[bool] = True

    _file: IO[bytes] | None = None
    _table: pq.ParquetWriter | None = None

    def _open(self) -> None:
        self._file = self.partial.open("wb")
        self._waiting: list[pa.RecordBatch] = []

    def _write(self, nuclei: Nuclei) -> None:
        for start in range(0, len(nuclei), ROW_GROUP):
            rows = np.arange(start, min(start + ROW_GROUP, len(nuclei)))
            self._waiting.append(self._batch(nuclei.take(rows)))
            if sum(batch.num_rows for batch in self._waiting) >= ROW_GROUP:
                self._flush()

    def _flush(self) -> None:
        batches, self._waiting = self._waiting, []
        if self._table is None:
            self._table = pq.ParquetWriter(
                self._file,
                batches[0].schema.with_metadata(self._metadata()),
                compression="zstd",
                compression_level=1,
                # The outlines never repeat: a dictionary of them is work for nothing, and so are
                # their least and greatest bytes.
                use_dictionary=["class", _SLIDE, COLUMN],
                write_statistics=[n for n in batches[0].schema.names if n != "geometry"],
            )
        table = pa.Table.from_batches(batches, self._table.schema)
        del batches  # what waited, 600 bytes a nucleus, need not lie beside its copy
        table = table.combine_chunks()
        self._table.write_table(table, row_group_size=max(1, len(table)))

    def _batch(self, nuclei: Nuclei) -> pa.RecordBatch:
        arrays = columns(nuclei)
        if self.names_slide:
            rows = number_array(np.zeros(len(nuclei), np.int16))
            arrays[_SLIDE] = pa.DictionaryArray.from_arrays(rows, text_array([self.context.slide]))
        arrays["geometry"] = to_wkb(nuclei.vertices, nuclei.offsets)
        return pa.RecordBatch.from_pydict(arrays)

    def _metadata(self) -> dict[str, str]:
        geometry = {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}
        geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
        ours = {**self.context.provenance(), "taxonomy": self.context.taxonomy.to_dict()}
        return {"geo": json.dumps(geo), "karyoscope": json.dumps(ours, ensure_ascii=False)}

    def _finish(self) -> None:
        assert self._file is not None
        if self._table is None and not self._waiting:
            self._waiting.append(self._batch(self.context.empty()))
        if self._waiting:
            self._flush()
        assert self._table is not None
        self._table.close()
        self._file.close()

    def _release(self) -> None:
        if self._file is not None:
            if self._table is not None:
                # Else it would be completed when it is collected, into a file that is gone.
                self._table.is_open = False
            close_quietly(self._file)


def read_parquet(path: str | Path) -> Nuclei:
    """Read a file of :class:`ParquetWriter` back.

    Parameters
    ----------
    path : str or Path
        A ``.parquet`` file that karyoscope wrote.

    Returns
    -------
    Nuclei
        Equal to what was written.

    Raises
    ------
    KaryoscopeError
        If the file is missing, damaged, or was not written by karyoscope.
    """
    return Nuclei.concat(iterate_parquet(path))


def iterate_parquet(path: str | Path) -> Iterator[Nuclei]:
    """Read a file of :class:`ParquetWriter` in blocks, one or more; see :func:`read_parquet`."""
    with _opened(path) as (file, ours):
        taxonomy, mpp = Taxonomy.from_dict(ours["taxonomy"]), float(ours["mpp"])
        if not 0 < mpp < math.inf:
            raise ValueError(f"{mpp} is no number of micrometres per pixel")
        if file.metadata.num_rows == 0:
            none = pa.RecordBatch.from_pylist([], file.schema_arrow)
            yield _nuclei(none, taxonomy, mpp)
        ids: list[np.ndarray] = []
        for group in range(file.num_row_groups):
            for batch in file.read_row_group(group).to_batches():
                nuclei = _nuclei(batch, taxonomy, mpp)
                places = nuclei.x, nuclei.y, nuclei.area_um2, nuclei.vertices
                if not all(np.isfinite(values).all() for values in places):
                    raise ValueError("a nucleus has no place or area")
                ids.append(nuclei.id)
                yield nuclei
        if ids and len(np.unique(np.concatenate(ids))) < sum(map(len, ids)):
            raise ValueError("it holds nuclei twice: some have one id")


def read_context(path: str | Path) -> ExportContext:
    """What a file of :class:`ParquetWriter` says about slide, scale, classes and model.

    Raises
    ------
    KaryoscopeError
        If the file is missing, damaged, or was not written by karyoscope.
    """
    with _opened(path) as (_, ours):
        width, height = ours["size"]
        mpp_x, mpp_y = ours["mpp_axes"]
        return ExportContext(
            slide=ours["slide"],
            size=(width, height),
            mpp=ours["mpp"],
            taxonomy=Taxonomy.from_dict(ours["taxonomy"]),
            model=ours["model"]["name"],
            model_version=ours["model"]["version"],
            model_licence=ours["model"]["licence"],
            mpp_source=ours.get("mpp_source", ""),
            run_id=ours.get("run_id", ""),
            mpp_axes=(mpp_x, mpp_y),
            scanned_from=tuple(ours.get("scanned_from", (0, 0))),
            scene=ours.get("scene", ""),
            white_point=ours.get("white_point", 255),
        )


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[pq.ParquetFile, dict[str, Any]]]:
    """A file of ours and its metadata; errors of reading it become one line."""
    try:
        with pq.ParquetFile(path) as file:
            yield file, json.loads((file.schema_arrow.metadata or {})[b"karyoscope"])
    except FileNotFoundError as error:
        raise KaryoscopeError(f"no file {path}") from error
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise KaryoscopeError(f"{path} is no table of nuclei from karyoscope: {reason}") from error


def _nuclei(batch: pa.RecordBatch, taxonomy: Taxonomy, mpp: float) -> Nuclei:
    vertices, offsets = from_wkb(batch.column("geometry"))
    classes = batch.column("class")
    if not pa.types.is_dictionary(classes.type):  # another program wrote it anew
        classes = classes.dictionary_encode()
    ids = dict(zip(taxonomy.names, taxonomy.ids, strict=True)) | {UNCLASSIFIED.name: 0}
    unknown = [name for name in classes.dictionary.to_pylist() if name not in ids]
    if unknown:
        raise ValueError(f"{unknown[0]!r:.40} is none of its classes")
    table = np.array([ids[name] for name in classes.dictionary.to_pylist()], np.uint8)
    columns = {
        name: batch.column(name).to_numpy(zero_copy_only=False)
        for name in batch.schema.names
        if name not in ("geometry", "class", _SLIDE)
    }
    names = [f"p_{name}" for name in taxonomy.names]
    known = [columns.pop(name) for name in names if name in columns]
    return Nuclei(
        taxonomy=taxonomy,
        mpp=mpp,
        id=columns.pop("id"),
        class_id=table[classes.indices.to_numpy()],
        x=columns.pop("x"),
        y=columns.pop("y"),
        area_um2=columns.pop("area_um2"),
        probabilities=np.stack(known, 1) if known else np.zeros((len(batch), 0), np.float32),
        vertices=vertices,
        offsets=offsets,
        measurements=columns,
    )
