"""The report: what it says, what it shows, and that it needs nothing else."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from some_nuclei import make_nuclei

from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import ExportContext, RunReport, open_writers
from karyoscope.formats.report.density import DensityGrid
from karyoscope.formats.report.writer import ReportWriter
from karyoscope.report.density import paint_density
from karyoscope.report.slide import median_area

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Complains about tags that are not closed, and collects what a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.sources = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.sources += [v for k, v in attrs if k in ("src", "href")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def report(folder, context, *blocks, run=None):
    with open_writers(folder, "slide", ["report"], context, overwrite=True) as writers:
        for block in blocks:
            writers.write(block)
        writers.report(run or RunReport())
    return (folder / "slide.report.html").read_text(encoding="utf-8")


def pictures(page):
    found = re.findall(r'base64,([^"]+)"', page)
    return [
        cv2.imdecode(np.frombuffer(base64.b64decode(f), np.uint8), cv2.IMREAD_COLOR_RGB)
        for f in found
    ]


@pytest.mark.parametrize("count", [0, 1, 300])
def test_the_page_is_whole_and_needs_nothing_else(tmp_path, context, count):
    page = report(tmp_path, context, make_nuclei(count))
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert all(source.startswith("data:") for source in checker.sources)
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    for figure in re.findall(r"<svg.*?</svg>", page):
        ElementTree.fromstring(figure)


def test_it_says_what_the_summary_says(tmp_path, nuclei, context):
    run = RunReport(
        tissue_mm2=0.05,
        tissue_mask=(np.tri(40, 60, dtype=bool), 10.0),
        warnings=["a <strange> thing"],
        settings={"tta": 4, "model": {"name": "lizard", "sha256": "abc"}, "roi": {"file": "a"}},
        seconds={"inference": 1.234},
        unread_regions=[[10, 10, 50, 50]],
    )
    page = report(tmp_path, context, nuclei, run=run)
    assert "<h1>slide é.svs</h1>" in page
    assert "a &lt;strange&gt; thing" in page
    assert f"{300 / 0.05:,.0f}" in page
    for text in ("lizard 1.0", "CC-BY-NC-SA-4.0", "<th>tta</th><td>4</td>", "inference 1.2"):
        assert text in page
    assert "<th>model, sha256</th><td>abc</td>" in page
    assert "Red frames" in page
    assert "<h2>Tissue</h2>" in page
    assert "0.05 mm² of tissue" in page
    assert "Shown is the part" not in page


@pytest.mark.parametrize(
    ("areas", "median"),
    [({4: 1}, 4.5), ({4: 2, 7: 2}, 5.0), ({4: 1, 5: 2}, 5.25), ({0: 3}, 0.5), ({}, None)],
)
def test_the_median_is_not_always_even(areas, median):
    counts = np.zeros(12, int)
    for step, count in areas.items():
        counts[step] = count
    assert median_area(counts) == median


def test_one_picture_of_all_and_a_heat_map_a_class_that_is_there(tmp_path, nuclei, context):
    whole, *maps = pictures(report(tmp_path, context, nuclei))
    assert whole.shape == (400, 600, 3)
    assert len(maps) == len(np.unique(nuclei.class_id))
    assert all(max(m.shape) == 520 for m in maps)


def test_a_heat_map_is_hot_where_the_nuclei_are(tmp_path, nuclei, context):
    left = nuclei.take((nuclei.x < 200) & (nuclei.class_id == 2))
    _, heat = pictures(report(tmp_path, context, left))
    colour = heat.max(2).astype(int) - heat.min(2)
    assert colour[:, :150].mean() > 60
    assert colour[:, 300:].mean() < 5


def test_a_large_slide_is_reduced_and_small_ones_are_enlarged(tmp_path, context):
    large = replace(context, size=(8000, 2000), read=_white)
    assert pictures(report(tmp_path, large))[0].shape == (400, 1600, 3)
    small = replace(context, size=(200, 100), read=_white)
    assert pictures(report(tmp_path, small))[0].shape == (400, 800, 3)
    oblong = replace(context, size=(8000, 2000), mpp_axes=(0.5, 0.25), read=_white)
    assert pictures(report(tmp_path, oblong))[0].shape == (400, 1600, 3)


def _white(x, y, width, height, mpp):
    return np.full((height, width, 3), 255, np.uint8)


def test_without_pixels_the_nuclei_are_drawn_on_white(tmp_path, nuclei, context):
    whole = pictures(report(tmp_path, replace(context, read=None), nuclei))[0]
    assert whole.shape == (667, 1000, 3)
    assert (whole > 250).all(2).mean() > 0.3


def test_it_needs_the_layout_of_its_page(tmp_path, context):
    with pytest.raises(KaryoscopeError, match=r"page=karyoscope\.report\.slide_page"):
        ReportWriter(tmp_path / "a.report.html", replace(context, page=None))
    assert not list(tmp_path.iterdir())


def test_alone_it_needs_no_summary(tmp_path, nuclei, context):
    with ReportWriter(tmp_path / "a.report.html", context) as writer:
        writer.write(nuclei)
    assert [p.name for p in tmp_path.iterdir()] == ["a.report.html"]


@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(1, 100_000),
    height=st.integers(1, 100_000),
    seed=st.integers(0, 99),
    mpp=st.sampled_from([0.1, 0.25, 0.5, 1.0]),
)
def test_densities_are_of_the_nuclei_whatever_the_size(width, height, seed, mpp):
    nuclei = make_nuclei(40)
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, width, 40), rng.uniform(0, height, 40)
    middle = (abs(x - width / 2) < width / 4) & (abs(y - height / 2) < height / 4)
    nuclei = replace(nuclei, x=x, y=y, class_id=np.ones(40)).take(middle)
    grid = DensityGrid(ExportContext("s", (width, height), mpp, nuclei.taxonomy))
    grid.add(nuclei)
    density = grid.density(1)
    assert max(density.shape) <= 65
    assert np.isfinite(density).all()
    assert (density >= 0).all()
    assert (density.max() > 0) == (len(nuclei) > 0)
    assert density.max() * (width * height * mpp**2 * 1e-6) >= len(nuclei) * 0.99
    ground = np.zeros((37, 53, 3), np.uint8)
    painted = paint_density(density, ground, grid.bin_um, grid.extent_um)
    assert painted.shape == (37, 53, 3)
