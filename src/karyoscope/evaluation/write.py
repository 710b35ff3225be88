"""Evaluations as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text, writing
from karyoscope.core.text import for_csv
from karyoscope.evaluation.pictures import Pictures
from karyoscope.report import evaluation_page

JSON, CSV, HTML = "evaluation.json", "images.csv", "evaluation.html"


def prepare_folder(out: Path, overwrite: bool = False) -> None:
    """Make the folder of a report before the evaluation, so that errors are found early.

    Raises
    ------
    KaryoscopeError
        If it cannot be made, or holds a report that may not be replaced.
    """
    existing = next((out / name for name in (JSON, CSV, HTML) if (out / name).exists()), None)
    if existing is not None and not overwrite:
        raise KaryoscopeError(f"{existing} exists; use --overwrite to replace it")
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)


def write_report(data: dict[str, Any], pictures: Pictures, out: Path) -> None:
    """Write ``evaluation.json``, ``images.csv`` and ``evaluation.html`` to a folder.

    Parameters
    ----------
    data : dict
        What :meth:`karyoscope.evaluation.EvaluationResult.to_dict` returned.
    pictures : Pictures
        Pictures that the page shows.
    out : Path
        Folder, made by :func:`prepare_folder`; a report that is there is replaced.

    Raises
    ------
    KaryoscopeError
        If the folder cannot be written.
    """
    with _writing(out):
        write_text(out / JSON, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        write_text(out / HTML, evaluation_page(data, pictures.figures()))
        _write_images(out / CSV, data["per_image"])


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KaryoscopeError(f"cannot write {out}: {error.strerror or error}") from error


def _write_images(path: Path, rows: list[dict[str, Any]]) -> None:
    with writing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["name"], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: for_csv(v) if isinstance(v, str) else v for k, v in row.items()})
