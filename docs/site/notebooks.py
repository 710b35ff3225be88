"""Notebooks of ``examples`` as pages, with the outputs that are stored in them."""

import base64
import json
import re
from typing import Any

from pages import REPOSITORY, ROOT, with_site_links


def notebook_files() -> dict[str, bytes]:
    """Return the pages of all notebooks and their pictures, by their path in the site."""
    files: dict[str, bytes] = {}
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        origin, page = f"examples/{path.name}", f"examples/{path.stem}.md"
        parts = []
        for number, cell in enumerate(cells):
            source = _joined(cell["source"])
            if cell["cell_type"] == "markdown":
                parts.append(with_site_links(source, origin, page))
            else:
                parts.append(f"```python\n{source}\n```")
                for place, output in enumerate(cell["outputs"]):
                    name = f"{path.stem}-{number}-{place}.png"
                    data = output.get("data", {"text/plain": output.get("text", "")})
                    if "image/png" in data:
                        files[f"examples/{name}"] = base64.b64decode(_joined(data["image/png"]))
                    parts.append(_output(data, name, cell["metadata"].get("alt")))
        note = f"This page is the notebook [{origin}]({REPOSITORY}/blob/main/{origin}).\n"
        text = "\n\n".join(part for part in parts if part)
        files[page] = re.sub(r"\A(# .*\n)", rf"\1\n{note}", text + "\n").encode()
    return files


def _output(data: dict[str, Any], picture: str, alt: str | None) -> str:
    """Return one output of a cell as Markdown; a cell's metadata say what its picture shows."""
    if "image/png" in data:
        return f"![{alt or 'The figure that this cell draws'}]({picture})"
    if "text/html" in data:
        html = re.sub(r"<style.*?</style>", "", _joined(data["text/html"]), flags=re.S)
        html = html.replace(' border="1"', "")
        return f'````{{raw}} html\n<div class="output">\n{html}\n</div>\n````'
    text = _joined(data["text/plain"]).rstrip()
    return f"```{{code-block}} none\n:class: output\n\n{text}\n```" if text else ""


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
