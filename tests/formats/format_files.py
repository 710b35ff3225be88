"""Every registered format, and how a test writes a file of it."""

import sqlite3
from contextlib import closing
from importlib.util import find_spec

import numpy as np
import pytest

from karyoscope.formats import WRITERS

OPTIONAL = {name: writer.needs[1] for name, writer in WRITERS.items() if writer.needs}

every_format = pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                name in OPTIONAL and find_spec(OPTIONAL[name]) is None,
                reason=f"{name} needs {OPTIONAL.get(name)}",
            ),
        )
        for name in WRITERS
    ],
)


def files(folder):
    """Names and bytes of everything in a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def content(path):
    """What a file holds, for the containers whose bytes tell how it was written."""
    if path.suffix == ".db":
        with closing(sqlite3.connect(path)) as connection:
            tables = ("metadata", "annotations", "rtree")
            return [connection.execute(f"SELECT * FROM {t}").fetchall() for t in tables]
    if path.suffix == ".h5ad":
        import h5py

        with h5py.File(path) as file:
            found = {}
            file.visititems(
                lambda name, item: found.setdefault(
                    name, str(item[()]) if isinstance(item, h5py.Dataset) else None
                )
            )
            return found
    return path.read_bytes() if path.is_file() else files(path)


def path_of(folder, name):
    return folder / f"slide{WRITERS[name].suffix}"


def export(folder, name, context, *blocks, stream=()):
    with WRITERS[name](path_of(folder, name), context) as writer:
        for block in blocks or stream:
            writer.write(block)
    return path_of(folder, name)


def halves(nuclei):
    rows = np.arange(len(nuclei))
    return [nuclei.take(rows[: len(rows) // 3]), nuclei.take(rows[len(rows) // 3 :])]
