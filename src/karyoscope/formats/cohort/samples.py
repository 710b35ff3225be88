"""What a sample sheet says of the slides of a cohort: ``cohort.samples.json`` beside its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_json, remove_leftovers, write_text

SAMPLES = "cohort.samples.json"

_LARGEST = 1 << 28


def read_samples(folder: str | Path) -> dict[str, dict[str, str]]:
    """Columns of the sample sheets of a cohort.

    Parameters
    ----------
    folder : path
        Folder that holds the results.

    Returns
    -------
    dict of str to dict of str to str
        Values by column, by the first part of the names of a slide's results. Empty where there
        was no sheet.

    Raises
    ------
    KaryoscopeError
        If the file is there, but not as it was written.
    """
    path = Path(folder, SAMPLES)
    if not path.exists():
        return {}
    found = read_json(path, _LARGEST)
    try:
        return {
            str(stem): {str(name): str(value) for name, value in columns.items()}
            for stem, columns in found.items()
        }
    except AttributeError as error:
        raise KaryoscopeError(f"{path} is not what karyoscope wrote; move it away") from error


def add_samples(folder: str | Path, samples: Mapping[str, Mapping[str, str]]) -> None:
    """Keep the columns of slides, in the place of what was known of them; others stay.

    Raises
    ------
    KaryoscopeError
        If the file cannot be read or written.
    """
    path = Path(folder, SAMPLES)
    known = read_samples(folder) | {stem: dict(columns) for stem, columns in samples.items()}
    remove_leftovers(path)
    write_text(path, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
