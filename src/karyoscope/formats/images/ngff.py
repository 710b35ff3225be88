"""What the values of a label image mean, in the words of OME-NGFF (``image-label``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy

MOST_NAMED = 200_000
"""Nuclei, at most, that have a colour and a name of their own.

Viewers read them whole: of 200,000, napari 0.9 made a layer in 7 seconds.
"""

_PAIR = np.dtype([("id", np.uint32), ("class", np.uint8)])
_ROWS_AT_ONCE = 4096


class LabelNames:
    """Colour and class of every value of a label image, set aside in a file until the end.

    Parameters
    ----------
    path : Path
        File in an existing folder; the caller removes it.
    taxonomy : Taxonomy
        Names and colours of the classes.
    """

    def __init__(self, path: Path, taxonomy: Taxonomy) -> None:
        self._path = path
        self._taxonomy = taxonomy
        self._count = 0
        path.touch()

    def add(self, nuclei: Nuclei) -> None:
        """Set ids and classes of a block aside."""
        pairs = np.zeros(len(nuclei), _PAIR)
        pairs["id"], pairs["class"] = nuclei.id, nuclei.class_id
        with self._path.open("ab") as file:
            file.write(pairs.tobytes())
        self._count += len(nuclei)

    @property
    def complete(self) -> bool:
        """Whether :meth:`write` names every nucleus; it names none of more than 200,000."""
        return self._count <= MOST_NAMED

    def write(self, file: IO[str], version: str) -> None:
        """Write the object ``image-label`` of OME-NGFF as JSON.

        Each label value has its colour under ``colors``, and its class under ``properties``.

        Parameters
        ----------
        file : text file
            Receives the JSON.
        version : str
            Version of OME-NGFF that the object states.
        """
        file.write(f'{{"version": {json.dumps(version)}')
        if self.complete:
            kinds = [self._taxonomy.by_id(i) for i in (0, *self._taxonomy.ids)]
            for key, entries in (
                ("colors", {c.id: {"rgba": [*c.color, 255]} for c in kinds}),
                ("properties", {c.id: {"class": c.name} for c in kinds}),
            ):
                self._write_list(file, key, entries)
        file.write("}")

    def _write_list(self, file: IO[str], key: str, entries: dict[int, dict[str, Any]]) -> None:
        ends = {kind: json.dumps(entry)[1:] for kind, entry in entries.items()}
        file.write(f', "{key}": [')
        separator = "\n"
        for pairs in self._pairs():
            rows = zip(pairs["id"].tolist(), pairs["class"].tolist(), strict=True)
            lines = (f'{{"label-value": {number}, {ends[kind]}' for number, kind in rows)
            file.write(separator + ",\n".join(lines))
            separator = ",\n"
        file.write("]")

    def _pairs(self) -> Iterator[np.ndarray]:
        with self._path.open("rb") as file:
            while data := file.read(_ROWS_AT_ONCE * _PAIR.itemsize):
                yield np.frombuffer(data, _PAIR)
