"""One tile of nuclei as an Arrow IPC stream: ids, classes, centroids, outlines."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from karyoscope.core.arrow import number_array
from karyoscope.view.table import NucleiTable


def encode_tile(table: NucleiTable, column: int, row: int) -> bytes:
    """Encode the nuclei whose centroid is in a tile.

    Parameters
    ----------
    table : NucleiTable
    column, row : int
        Column and row of the tile among the tiles of the table.

    Returns
    -------
    bytes
        An Arrow IPC stream of one batch: ``id`` (uint32), ``class`` (uint8), ``x`` and ``y``
        (float32, pixels of level 0) and ``outline``, a list of int16: x and y by turns, in steps
        of 1/8 pixel from the tile's centre.
    """
    rows = table.rows_of(column, row)
    steps, offsets = table.outline_steps(rows)
    ends = number_array((2 * offsets).astype(np.int32))
    columns = {
        "id": number_array(table.id[rows]),
        "class": number_array(table.class_id[rows]),
        "x": number_array(table.x[rows]),
        "y": number_array(table.y[rows]),
        "outline": pa.ListArray.from_arrays(ends, number_array(steps.ravel())),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue().to_pybytes()
