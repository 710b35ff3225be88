"""The parts that make the pages of the documentation site."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "site"))
from commands import command_pages  # noqa: E402
from karyoscope.cli import VERBS  # noqa: E402
from karyoscope.formats import WRITERS  # noqa: E402
from notebooks import notebook_files  # noqa: E402
from pages import markdown_pages, targets, with_site_links  # noqa: E402


def test_every_page_has_a_file_and_an_address_of_its_own():
    pages = markdown_pages()
    assert all((ROOT / origin).is_file() for origin in pages)
    assert len(set(pages.values())) == len(pages) > 40
    assert pages["docs/extending/README.md"] == "extending/index.md"


@pytest.mark.parametrize(
    ("origin", "page", "link", "becomes"),
    [
        ("docs/start.md", "start.md", "view.md#access", "view.md#access"),
        ("docs/start.md", "start.md", "papers/README.md", "papers/index.md"),
        ("docs/papers/qu.md", "papers/qu.md", "../results.md", "../results.md"),
        ("CONTRIBUTING.md", "contributing.md", "docs/architecture.md", "architecture.md"),
        ("docs/start.md", "start.md", "../CHANGELOG.md", "changelog.md"),
        ("docs/start.md", "start.md", "../examples/metrics.ipynb", "examples/metrics.md"),
        ("docs/start.md", "start.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("docs/papers/qu.md", "papers/qu.md", "../images/view.webp", "../images/view.webp"),
    ],
)
def test_links_of_pages_are_moved_with_them(origin, page, link, becomes):
    assert with_site_links(f"a [b]({link}) c", origin, page) == f"a [b]({becomes}) c"


def test_a_link_out_of_the_documentation_leads_to_the_repository():
    text = with_site_links("[a](../pyproject.toml) [b](../packaging)", "docs/x.md", "x.md")
    assert re.findall(r"/(blob|tree)/main/([\w.]+)\)", text) == [
        ("blob", "pyproject.toml"),
        ("tree", "packaging"),
    ]


def test_a_link_to_nothing_stops_the_build_and_code_is_left_alone():
    with pytest.raises(FileNotFoundError, match=r"start\.md: nothing\.md"):
        with_site_links("[a](nothing.md)", "docs/start.md", "start.md")
    code = "```\n[a](nothing.md)\n```"
    assert with_site_links(code, "docs/start.md", "start.md") == code


def test_every_notebook_is_a_page_with_its_outputs():
    files = notebook_files()
    for page in (page for page in targets().values() if page.startswith("examples/")):
        text = files[page].decode()
        assert text.startswith("# ")
        assert re.search(r"<table|!\[|:class: output", text)
        for picture in re.findall(r"!\[[^\]]+\]\(([\w.-]+)\)", text):
            assert files[f"examples/{picture}"].startswith(b"\x89PNG")


def test_every_command_and_option_is_on_the_page_of_commands():
    page = command_pages()["commands.md"]
    headings = re.findall(r"^## (\S+)$", page, re.M)
    assert headings == list(VERBS)
    for option in ("--annotations", "--override-mpp", "--protocol", "--leave-out", "--truth"):
        assert f"`{option}" in page
    assert "## data\n" in page
    assert "### data split" in page


def test_the_table_of_outputs_has_every_format_with_the_name_of_its_file():
    text = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w.-]+)`[^|]*\| `<stem>([\w.]+)`", text, re.M))
    assert rows == {name: WRITERS.find(name).suffix for name in WRITERS.names()}
