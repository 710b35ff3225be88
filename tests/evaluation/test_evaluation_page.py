"""The figure page and the files beside it."""

import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from annotated_sets import LIZARD, as_nuclei, make_sample
from rich.console import Console

from karyoscope.datasets import Record
from karyoscope.evaluation import EvaluationResult, Prediction, compare
from karyoscope.evaluation.pictures import LEAST_NUCLEI, Pictures
from karyoscope.evaluation.write import prepare_folder, write_report
from karyoscope.metrics import PROTOCOLS, DetectionAccumulator, Evaluation, Pair, from_json
from karyoscope.metrics.accumulate import Accumulator
from karyoscope.report import comparison_table, evaluation_table
from karyoscope.report.figures import Bar, interval_figure, scatter_figure
from karyoscope.report.page import webp
from karyoscope.report.tiles import draw_tile

SVG = "{http://www.w3.org/2000/svg}"


def scored(protocol: str, with_classes: bool, count: int = 3) -> tuple[dict, Pictures]:
    """Outcome of moved nuclei, as plain data, and the pictures."""
    taxonomy = LIZARD if with_classes else None
    evaluation = Evaluation(protocol, taxonomy, 0.5)
    pictures = Pictures()
    for k in range(count):
        sample = make_sample(f"image_{k}", seed=k)
        classes = np.roll(sample.classes, 3) if with_classes else None
        if classes is not None:
            classes[0] = 0
        moved = Prediction(np.roll(sample.inst_map, k + 1, axis=1), classes)
        of_classes = (sample.classes, classes) if with_classes else (None, None)
        evaluation.add(Pair(sample.inst_map, moved.inst_map, *of_classes, name=f"image_{k}"))
        pictures.add(sample, moved)
    outcome = EvaluationResult(evaluation, "set <a>", "model & co", 0, count, {"classes": "some"})
    outcome.problems.append("image_9: it <is> broken")
    return outcome.to_dict("cohort", samples=20), pictures


class Checker(HTMLParser):
    """Tags that are opened and closed, and what they point to."""

    def __init__(self):
        super().__init__()
        self.open, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("with_classes", [True, False])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_page_of_every_protocol(protocol, with_classes, tmp_path):
    data, pictures = scored(protocol, with_classes)
    prepare_folder(tmp_path / "out")
    write_report(data, pictures, tmp_path / "out")
    page = (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert len(checker.sources) == 6  # a pair for each image, which is one tile
    assert all(source.startswith("data:image/webp;base64,") for source in checker.sources)
    assert "model &amp; co" in page
    assert "set &lt;a&gt;" in page
    assert "it &lt;is&gt; broken" in page
    assert "nan" not in re.sub(r"base64,[^\"]*|<style>.*</style>", "", page).lower()
    assert ("plasma" in page) is with_classes
    parts = PROTOCOLS[protocol].build(LIZARD, 0.5).values()
    confusion = any(type(part).confusion is not Accumulator.confusion for part in parts)
    assert ("Confusion" in page) is (with_classes and confusion)
    paired = any(isinstance(part, DetectionAccumulator) for part in parts)
    assert ("paired by centroids within 3 µm" in page) is (with_classes and paired)
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ElementTree.fromstring(svg)
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8")) == data
    with (tmp_path / "out" / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["image_0", "image_1", "image_2"]
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize("with_classes", [True, False])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tables_of_every_protocol(protocol, with_classes):
    data, _ = scored(protocol, with_classes)
    printed = io.StringIO()
    Console(file=printed, width=200).print(evaluation_table(data))
    evaluation = from_json(data)
    found = compare(evaluation, evaluation, samples=20).to_dict()
    Console(file=printed, width=200).print(comparison_table(found))
    own, difference = printed.getvalue().split("B - A")
    listed = [r.score.title for r in PROTOCOLS[protocol].overall.values() if r.score.listed]
    shown = [title for title in listed if f" {title}  " in own]
    assert shown == listed if with_classes else shown
    assert [title for title in shown if f" {title}  " in difference] == shown
    by_class = with_classes and bool(PROTOCOLS[protocol].classes)
    assert ("plasma" in own) is ("plasma" in difference) is by_class


def test_an_axis_without_bounds_ends_at_the_values():
    bars = [Bar("a", -0.5, -1.25, 0.5, (1, 2, 3)), Bar("b", 1.0, 0.9, 1.0, (1, 2, 3))]
    figure = ElementTree.fromstring(interval_figure(bars, "R²", (-np.inf, 1.0), 1))
    texts = [t.text for t in figure.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "-1.25"
    assert "-0.5  (-1 to 0)" in texts
    assert all(0 < float(c.get("cx")) < 860 for c in figure.iter(f"{SVG}circle"))


def test_counts_of_each_image():
    _, pictures = scored("conic", True)
    sample = make_sample("image_0", seed=0)
    name, true, pred = pictures.counts[0]
    assert name == "image_0"
    assert true.tolist() == np.bincount(sample.classes[1:], minlength=7)[1:].tolist()
    assert true.sum() == 64
    assert pred.sum() <= 64  # a class of the last nucleus went to the background


def test_tiles_are_chosen_by_their_quality():
    pictures = Pictures(tiles=2)
    for k in range(9):
        sample = make_sample(f"image_{k}", seed=k)
        pictures.add(sample, Prediction(np.roll(sample.inst_map, k, axis=1), sample.classes))
    chosen = pictures.chosen()
    order = {kind: [int(t.title[6]) for t in tiles] for kind, tiles in chosen.items()}
    assert order["best"] == [0, 1]
    assert set(order["worst"]) == {7, 8}
    assert set(order["typical"]) <= {3, 4, 5}
    assert chosen["best"][0].pq == 1
    assert chosen["best"][0].pq > pictures.median > chosen["worst"][0].pq


def test_many_images_take_bounded_memory():
    pictures = Pictures(tiles=2)
    sample = make_sample("a", 64, 96)
    for k in range(300):
        named = replace(sample, record=Record(f"image_{k}", "s"))
        pictures.add(named, Prediction(sample.inst_map, sample.classes))
    assert len(pictures.counts) == 300
    assert len(pictures._median) <= 40
    assert len(pictures._best) == len(pictures._worst) == 2


def test_nothing_is_shown_of_points_and_of_few_nuclei():
    pictures = Pictures()
    sample = make_sample("a", 64, 32 * LEAST_NUCLEI // 2)
    few = make_sample("b", 32, 32 * (LEAST_NUCLEI - 1))
    pictures.add(few, Prediction(few.inst_map, few.classes))
    assert pictures.chosen() == {"worst": [], "typical": [], "best": []}
    nuclei = as_nuclei(sample)
    points = np.column_stack([nuclei.x, nuclei.y, nuclei.class_id])
    pictures.add(replace(sample, points=points), Prediction(sample.inst_map, sample.classes))
    assert len(pictures.counts) == 1
    assert np.isnan(pictures.median) or pictures.median == 1


def test_drawing_fills_what_has_no_partner_and_dots_another_class():
    sample = make_sample("a", seed=2)
    classes = sample.classes.copy()
    classes[10] = 1 + classes[10] % 6
    found = np.where(sample.inst_map == 20, 0, sample.inst_map)
    pictures = Pictures()
    pictures.add(sample, Prediction(found, classes))
    true, pred = draw_tile(pictures.chosen()["worst"][0], LIZARD)
    assert true.shape == pred.shape == (512, 512, 3)

    def middle(picture, nucleus):
        rows, columns = np.nonzero(sample.inst_map == nucleus)
        return picture[int(2 * rows.mean() + 1), int(2 * columns.mean() + 1)].astype(int)

    ground = np.array((110, 70, 140))
    missed = np.array(LIZARD.by_id(int(sample.classes[20])).color)
    assert abs(middle(true, 20) - (0.45 * missed + 0.55 * ground)).max() <= 2
    assert abs(middle(true, 21) - ground).max() <= 2
    right = np.array(LIZARD.by_id(int(sample.classes[10])).color)
    assert abs(middle(pred, 10) - right).max() <= 2
    assert abs(middle(true, 10) - ground).max() <= 2


def test_pictures_are_compressed_as_webp():
    picture = np.full((40, 60, 3), (200, 100, 50), np.uint8)
    decoded = cv2.imdecode(
        np.frombuffer(base64.b64decode(webp(picture).partition("base64,")[2]), np.uint8),
        cv2.IMREAD_COLOR_RGB,
    )
    assert abs(decoded.astype(int) - picture).max() <= 6


def test_figures_are_valid_svg():
    bars = [
        Bar("a & b", 0.5, 0.4, 0.6, (1, 2, 3), "5 true"),
        Bar("c", None, None, None, (1, 2, 3)),
        Bar("d", 0.1, None, None, (255, 255, 255)),
    ]
    figure = ElementTree.fromstring(interval_figure(bars, "<title>"))
    texts = [t.text for t in figure.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a & b", "0.500  (0.40 to 0.60)", "not defined", "0.100"} <= set(texts)


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(0, "0 1"), (1, "0 1"), (7, "0 2 4 6 8"), (29, "0 10 20 30"), (1284, "0 500 1,000 1,500")],
)
def test_axes_end_on_round_numbers(most, ticks):
    svg = ElementTree.fromstring(scatter_figure(np.array([most]), np.array([0]), (0, 0, 0), "t"))
    texts = [t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert " ".join(texts[::2]) == ticks
