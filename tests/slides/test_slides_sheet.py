"""Sample sheets, as people and spreadsheets write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides.sheet import is_sheet, read_sheet


def sheet(tmp_path, text, name="samples.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_paths_count_from_the_sheet_and_other_columns_are_kept(tmp_path):
    text = "path,mpp,group,Patient,annotations\na.svs,,x,P 1,drawn/a.geojson\n/b.png,0.25,y,,\n"
    (first, second), problems = read_sheet(sheet(tmp_path, text))
    assert problems == []
    assert first.path == str(tmp_path / "a.svs")
    assert first.options == {"annotations": str(tmp_path / "drawn" / "a.geojson")}
    assert first.columns == {"group": "x", "Patient": "P 1"}
    assert (second.path, second.options) == ("/b.png", {"mpp": 0.25})
    assert second.columns == {"group": "y", "Patient": ""}
    assert (first.row, second.row) == (2, 3)


def test_a_spreadsheet_of_europe(tmp_path):
    """Semicolons, decimal commas, a byte order mark, Windows line ends, empty rows."""
    text = "\ufeffPath;MPP;Größe\r\na.png;0,25;=3\r\n;;\r\n\r\n"
    (one,), problems = read_sheet(sheet(tmp_path, text))
    assert (one.mpp, one.columns, problems) == (0.25, {"Größe": "=3"}, [])


def test_tabs_quotes_and_regions(tmp_path):
    text = 'path\troi\tnote\na.svs\t1 2 30 40\t"two\nlines"\nb.svs\tb.geojson\t\n'
    (first, second), _ = read_sheet(sheet(tmp_path, text, "s.tsv"))
    assert first.roi == (1, 2, 30, 40)
    assert first.columns == {"note": "two\nlines"}
    assert (second.roi, second.row) == (str(tmp_path / "b.geojson"), 4)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("a.svs,zero,", "mpp is µm per pixel, not 'zero'"),
        ("a.svs,-1,", "mpp is µm per pixel, not '-1'"),
        ("a.svs,nan,", "mpp is µm per pixel, not 'nan'"),
        ("a.svs,,1 2 0 4", "roi has no area: '1 2 0 4'"),
        ("a.svs,,1 2 3 x", "roi is x y width height in whole pixels, not '1 2 3 x'"),
        (",0.5,", "no path"),
        ("a.svs,0.5,,more", "4 fields, but 3 columns"),
    ],
)
def test_a_bad_row_is_one_line_and_the_others_are_read(tmp_path, row, line):
    path = sheet(tmp_path, f"path,mpp,roi\nfirst.svs,,\n{row}\nlast.svs,,\n")
    samples, problems = read_sheet(path)
    assert [s.path for s in samples] == [str(tmp_path / n) for n in ("first.svs", "last.svs")]
    assert [bad.line for bad in problems] == [f"{path}, row 3: {line}"]


def test_a_slide_that_is_named_twice(tmp_path):
    samples, (line,) = read_sheet(sheet(tmp_path, "path\na.svs\nb.svs\na.svs\n"))
    assert len(samples) == 2
    assert line.line.endswith("row 4: " + str(tmp_path / "a.svs") + " is in row 2, too")
    assert line.path == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column `path` among none"),
        ("file,mpp\na,1\n", "no column `path` among file, mpp"),
        ("path,mpp,mpp\na,1,2\n", "two columns 'mpp'"),
        ("path\n", "no rows"),
        (b"path\n\xff\xfe\n", "not UTF-8"),
    ],
)
def test_what_is_no_sheet(tmp_path, text, reason):
    with pytest.raises(KaryoscopeError, match=reason) as info:
        read_sheet(sheet(tmp_path, text))
    assert "\n" not in str(info.value)


def test_names_of_sheets():
    assert is_sheet("S.CSV")
    assert not is_sheet("a.csv.svs")


def test_relative_paths_of_a_sheet_elsewhere(tmp_path):
    path = sheet(tmp_path, "path\na.svs\nhttps://other/b.svs\n")
    samples, _ = read_sheet(path, "https://here/folder")
    assert [s.path for s in samples] == ["https://here/folder/a.svs", "https://other/b.svs"]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = sheet(tmp_path_factory.mktemp("any"), b"path,mpp\n" + data)
    with suppress(KaryoscopeError):
        samples, problems = read_sheet(path)
        assert samples or problems
        assert all("\n" not in bad.line for bad in problems)
