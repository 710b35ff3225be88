"""Names that do no harm where they are printed or written."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from karyoscope.core.text import for_csv, for_html, for_markup, for_terminal, from_csv


@pytest.mark.parametrize("name", ["slide-1.svs", "Präparat 3 (µm)", "スライド", "", "a\\nb"])
def test_ordinary_names_stay(name):
    assert for_terminal(name) == for_csv(name) == for_html(name) == name


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\r\nb\t", r"a\r\nb\t"),
        ("a\x9b31m", r"a\x9b31m"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("a\u2028b", r"a\u2028b"),
        ("a\udc80", r"a\udc80"),
    ],
)
def test_control_characters_are_written_out(name, printed):
    assert for_terminal(name) == printed


@given(st.text())
def test_whatever_is_printed_is_one_line(text):
    assert len(for_terminal(text).splitlines()) <= 1


@given(st.text(st.sampled_from("[]/\\abold=# "), max_size=20))
def test_brackets_are_no_markup(text):
    file = io.StringIO()
    Console(file=file, width=1000).print(for_markup(text), soft_wrap=True, highlight=False)
    assert file.getvalue() == text + "\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-a", "@a", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text):
    assert for_csv(text) == "'" + text
    assert from_csv(for_csv(text)) == text


@given(st.text())
def test_cells_come_back(text):
    file = io.StringIO(newline="")
    csv.writer(file).writerow([for_csv(text), "x"])
    file.seek(0)
    (row,) = csv.reader(file)
    # An apostrophe before a formula was there already: the one case that cannot be told.
    if not (text.startswith("'") and text[1:].startswith(("=", "+", "-", "@", "\t", "\r"))):
        assert from_csv(row[0]) == text


def test_html_is_no_html():
    assert for_html('<a href="x">\'&\x1b') == "&lt;a href=&quot;x&quot;&gt;&#x27;&amp;\\x1b"
