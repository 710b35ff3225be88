"""Execute the notebooks of ``examples`` and store their outputs.

    python scripts/execute_notebooks.py [NAME ...]

What a notebook was executed with is stored beside its outputs, so that a test can say when they are
out of date.
"""

import argparse
import hashlib
import json
import os
import tempfile
from pathlib import Path

import nbclient
import nbformat

from karyoscope.inference import find_bundle

EXAMPLES = Path(__file__).parents[1] / "examples"


def made_with(book: nbformat.NotebookNode) -> dict[str, str]:
    """Return digests of what the outputs depend on: the cells, and the model.

    The digest of the model covers its card without measured scores and steadiness, and without
    the digest of its README: the outputs do not depend on these.
    """
    cells = [[cell.cell_type, cell.source] for cell in book.cells]
    text = json.dumps(cells, ensure_ascii=False).encode()
    left_out = {"scores": True, "steadiness": True, "files": {"README.md"}}
    card = find_bundle("lizard").card.model_dump(
        mode="json", exclude=left_out, exclude_defaults=True
    )
    model = json.dumps(card, ensure_ascii=False, sort_keys=True).encode()
    return {"cells": hashlib.sha256(text).hexdigest(), "model": hashlib.sha256(model).hexdigest()}


def execute(path: Path, out: Path) -> nbformat.NotebookNode:
    """Execute a notebook in its folder, with a folder for the files that it writes."""
    book = nbformat.read(path, 4)
    before = os.environ.get("KARYOSCOPE_OUT")
    os.environ["KARYOSCOPE_OUT"] = str(out)
    try:
        where = {"metadata": {"path": str(path.parent)}}
        nbclient.NotebookClient(book, timeout=600, kernel_name="python3", resources=where).execute()
    finally:
        if before is None:
            del os.environ["KARYOSCOPE_OUT"]
        else:
            os.environ["KARYOSCOPE_OUT"] = before
    return book


def main() -> None:
    """Execute the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("names", nargs="*", help="such as first_slide; all without")
    names = parser.parse_args().names or sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))
    for name in names:
        path = EXAMPLES / f"{name}.ipynb"
        with tempfile.TemporaryDirectory() as folder:
            book = execute(path, Path(folder))
        for cell in book.cells:
            # The times of a run would make every execution another file.
            cell.metadata.pop("execution", None)
        book.metadata["karyoscope"] = made_with(book)
        path.write_text(nbformat.writes(book) + "\n", encoding="utf-8")
        print(path.name, path.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
