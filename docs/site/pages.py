"""Which Markdown file of the repository is which page of the site, and its links there."""

import os
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/karyoscope/karyoscope"

#: Pages whose files are not in ``docs``.
ELSEWHERE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "src/karyoscope/models/lizard/README.md": "models/lizard.md",
    "src/karyoscope/models/lizard-large/README.md": "models/lizard-large.md",
}


def markdown_pages() -> dict[str, str]:
    """Path of every Markdown page, from its file in the repository to its file in the site."""
    pages = dict(ELSEWHERE)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        name = path.relative_to(ROOT / "docs").as_posix()
        # GitHub shows README.md in a folder; a site has an index.
        pages[f"docs/{name}"] = re.sub(r"README\.md$", "index.md", name)
    return pages


#: Pages that a search leaves out: they say of everything when it came.
NOT_SEARCHED = {"changelog.md"}


def targets() -> dict[str, str]:
    """Pages that links may lead to: the Markdown pages, the notebooks and the front page."""
    found = markdown_pages() | {"README.md": "index.md", "docs": "index.md"}
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        found[f"examples/{path.name}"] = f"examples/{path.stem}.md"
    return found


def with_site_links(text: str, origin: str, page: str) -> str:
    """Return the text with every relative link as it has to be in the site.

    Parameters
    ----------
    text : str
        Markdown; code is left alone.
    origin, page : str
        The file in the repository, and in the site.

    Raises
    ------
    FileNotFoundError
        If a link leads to nothing.
    """
    pages = targets()

    def moved(match: re.Match[str]) -> str:
        link = match[1]
        if link.startswith("#") or re.match(r"[a-z]+:", link):
            return match[0]
        name, _, anchor = link.partition("#")
        path = os.path.normpath(PurePosixPath(origin).parent / name).replace(os.sep, "/")
        if path in pages:
            link = os.path.relpath(pages[path], PurePosixPath(page).parent or ".")
            link = link.replace(os.sep, "/")
        elif not (ROOT / path).exists():
            raise FileNotFoundError(f"{origin}: {match[1]}")
        elif path.startswith("docs/") and (ROOT / path).is_file():
            link = os.path.relpath(path.removeprefix("docs/"), PurePosixPath(page).parent or ".")
            link = link.replace(os.sep, "/")
        else:
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            link = f"{REPOSITORY}/{kind}/main/{path}"
        return f"]({link}{'#' if anchor else ''}{anchor})"

    parts = re.split(r"(^```.*?^```$)", text, flags=re.M | re.S)
    parts[::2] = [re.sub(r"\]\(([^)\s]+)\)", moved, part) for part in parts[::2]]
    return "".join(parts)
