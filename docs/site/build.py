"""Build the documentation site: ``python docs/site/build.py build/site``.

The pages are the Markdown files of ``docs``, readable as they are. Pages from other places of the
repository, of the public names and of the commands are added to a copy, from which Sphinx builds.
Every warning is an error.
"""

import argparse
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from sphinx.cmd.build import build_main  # noqa: E402

from api import api_pages  # noqa: E402
from commands import command_pages  # noqa: E402
from notebooks import notebook_files  # noqa: E402
from pages import NOT_SEARCHED, ROOT, markdown_pages, with_site_links  # noqa: E402

ASSETS = {".jpg", ".png", ".webp", ".svg", ".csv", ".yaml", ".sbatch"}


def stage(folder: Path) -> None:
    """Write all sources of the site to a folder; files that are as before keep their time."""
    made: dict[str, bytes] = {}
    for origin, page in markdown_pages().items():
        text = (ROOT / origin).read_text(encoding="utf-8")
        front = "---\nnosearch: true\n---\n" if page in NOT_SEARCHED else ""
        made[page] = (front + with_site_links(text, origin, page)).encode()
    for path in (ROOT / "docs").rglob("*"):
        if path.suffix in ASSETS and HERE not in path.parents:
            made[path.relative_to(ROOT / "docs").as_posix()] = path.read_bytes()
    made |= notebook_files()
    made |= {name: text.encode() for name, text in (api_pages() | command_pages()).items()}
    for name, content in made.items():
        target = folder / name
        if not target.is_file() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in made:
            path.unlink()


def main() -> int:
    """Build the site; the exit code of Sphinx."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("out", type=Path, help="folder of the site")
    parser.add_argument("--builder", default="html", help="html, or linkcheck")
    parser.add_argument("--fresh", action="store_true", help="forget an earlier build")
    options = parser.parse_args()
    work = options.out.parent / f".{options.out.name}-sources"
    if options.fresh:
        for folder in (work, options.out):
            shutil.rmtree(folder, ignore_errors=True)
    stage(work / "pages")
    arguments = ["-W", "--keep-going", "-n", "-q", "-b", options.builder, "-c", str(HERE)]
    arguments += ["-d", str(work / "doctrees"), str(work / "pages"), str(options.out)]
    return build_main(arguments)


if __name__ == "__main__":
    sys.exit(main())
