"""Evaluations as files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from karyoscope.errors import KaryoscopeError
from karyoscope.evaluation.page import evaluation_page
from karyoscope.evaluation.pictures import Pictures

JSON, CSV, HTML = "evaluation.json", "images.csv", "evaluation.html"


def write_report(data: dict[str, Any], pictures: Pictures, out: Path) -> None:
    """Write ``evaluation.json``, ``images.csv`` and ``evaluation.html`` to a folder.

    Parameters
    ----------
    data : dict
        From :meth:`karyoscope.evaluation.Outcome.to_dict`.
    pictures : Pictures
        For the page.
    out : Path
        Made where missing; files there are replaced.

    Raises
    ------
    KaryoscopeError
        If the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write(out / JSON, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
        _write(out / HTML, evaluation_page(data, pictures))
        _write_images(out / CSV, data["per_image"])
    except OSError as error:
        raise KaryoscopeError(f"cannot write {out}: {error.strerror or error}") from error


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _write_images(path: Path, rows: list[dict[str, Any]]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["name"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)
