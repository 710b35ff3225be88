"""Reports and the page of a cohort are read on a phone without moving sideways."""

import pytest

import karyoscope
from karyoscope.pipeline import SegmentOptions, segment_file
from karyoscope.report import write_cohort

pytestmark = pytest.mark.slow


def test_pages_are_as_wide_as_the_screen(chromium, tmp_path, tiny_bundle, example_slide):
    options = SegmentOptions(("report",), roi=(900, 900, 300, 300), spatial=True)
    model = karyoscope.load_model(tiny_bundle, "cpu", 1)
    segment_file(example_slide, tmp_path, model, options)
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    written = {path.name: path for path in write_cohort(tmp_path)}
    for path in (tmp_path / f"{example_slide.stem}.report.html", written["cohort.html"]):
        page.goto(path.as_uri())
        widest = page.evaluate(
            "Math.max(...[...document.querySelectorAll('table')].map(t => t.scrollWidth))"
        )
        assert page.evaluate("document.documentElement.scrollWidth") == 390, path.name
        assert widest > 390, "the tables are wider than the screen, or this tests nothing"
    page.close()
