"""The page in the package is what its sources give, and brings the licences of its parts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src" / "karyoscope" / "view" / "static"
VIEWER = ROOT / "viewer"


def test_the_page_is_there_and_small():
    sizes = {path.name: path.stat().st_size for path in STATIC.iterdir()}
    assert set(sizes) == {"index.html", "view.js", "view.css", "licences.txt"}
    assert sizes["view.js"] < 2_000_000


def test_the_page_asks_no_other_machine():
    html = (STATIC / "index.html").read_text("utf-8")
    assert re.findall(r'(?:src|href)="([^"]*)"', html) == ["data:,", "view.css", "view.js"]
    assert not re.search(r"url\(|@import", (STATIC / "view.css").read_text("utf-8"))
    script = (STATIC / "view.js").read_text("utf-8")
    # Addresses are in messages and names of XML; nothing is fetched but "data/...".
    assert re.findall(r"\bfetch\(`([^$`]*)", script) == ["data/"]


def test_no_name_becomes_markup():
    """Elements are made by one function, which puts texts in as text."""
    for path in (VIEWER / "src").rglob("*.ts"):
        text = path.read_text("utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), path


def test_licences_of_all_parts_are_told():
    text = (STATIC / "licences.txt").read_text("utf-8")
    for name in ("@deck.gl/core", "@luma.gl/webgl", "apache-arrow", "flatbuffers"):
        assert f"\n{name} " in text
    assert "Apache License" in text
    assert "Permission is hereby granted" in text


@pytest.mark.slow
def test_the_sources_give_the_page_byte_for_byte(tmp_path):
    if shutil.which("node") is None:
        pytest.skip("needs node")
    if not (VIEWER / "node_modules").is_dir():
        pytest.skip("needs `npm ci` in viewer/")
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=VIEWER, check=True)
    for path in STATIC.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    subprocess.run(["npx", "tsc", "--noEmit"], cwd=VIEWER, check=True)
