"""What leaves the page: a picture with a scale bar, a link, regions as files."""

import csv
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from in_browser import STEM, on_screen, opened, state, until
from made_nuclei import made_nuclei, write_results

from karyoscope.formats import read_parquet

pytestmark = pytest.mark.slow


def saved(page, press):
    with page.expect_download() as download:
        press()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_a_picture_shows_what_is_seen_and_a_true_scale_bar(page, start, results, example_slide):
    _, link = start(results, "--slides", example_slide)
    opened(page, link)
    page.evaluate("karyoscope.move(1000, 1200, 0)")
    page.wait_for_timeout(1500)
    page.evaluate("document.querySelector('.surface').focus()")
    name, data = saved(page, lambda: page.keyboard.press("w"))
    assert name == f"{STEM}.svs.png"
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    assert (width, height) == (state(page, "width"), state(page, "height"))
    # Tissue and outlines fill it: hardly any of it has one colour.
    middle = picture[100:-100, 100:-100].reshape(-1, 3)
    assert len(np.unique(middle, axis=0)) > 5000
    # The longest run of black at the lower left is the bar: a round length at 0.499 µm per pixel.
    rows = (picture[-60:, :300] == 0).all(-1)
    runs = (run for row in rows for run in bytes(row).split(b"\0"))
    longest = max(map(len, runs))
    assert longest * 0.499 == pytest.approx(50, abs=1)
    assert page.problems == []


def test_a_copied_link_shows_the_same_view(chromium, start, results, example_slide):
    _, link = start(results, "--slides", example_slide)
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    opened(page, link)
    page.evaluate("karyoscope.move(800, 900, -0.25)")
    page.locator('[data-key="class-3"]').click()
    page.get_by_role("button", name="Copy a link").click()
    until(page, "karyoscope.state.message.includes('copied')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "token" not in copied
    other = context.new_page()
    opened(other, copied)
    assert [state(other, part) for part in ("x", "y", "zoom")] == [800, 900, -0.25]
    assert state(other, "hidden.has(3)")
    context.close()


def test_a_browser_that_copies_nothing_is_told_of(page, start, results, example_slide):
    _, link = start(results, "--slides", example_slide)
    opened(page, link)
    # As where the page comes unencrypted from another machine.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copy a link").click()
    until(page, "karyoscope.state.message.includes('address')")
    assert page.problems == []


def test_regions_are_saved_as_files(page, start, results, example_slide):
    _, link = start(results, "--slides", example_slide)
    opened(page, link)
    page.get_by_role("tab", name="Regions").click()
    square = [[[300, 300], [900, 300], [900, 900], [300, 900], [300, 300]]]
    drawn = {"geometry": {"type": "Polygon", "coordinates": square}, "properties": {"name": "=1+1"}}
    content = {"name": "a.geojson", "mimeType": "application/json"}
    page.set_input_files("#import", {**content, "buffer": json.dumps(drawn).encode()})
    until(page, "karyoscope.state.regions.length === 1")
    _, data = saved(page, lambda: page.get_by_role("button", name="Save GeoJSON").click())
    (feature,) = json.loads(data)["features"]
    assert feature["geometry"]["coordinates"] == square
    _, data = saved(page, lambda: page.get_by_role("button", name="Save CSV").click())
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert rows[0]["region"] == "'=1+1"  # no formula in a spreadsheet
    assert int(rows[0]["count"]) == sum(int(row["count"]) for row in rows[1:])
    assert page.problems == []


def test_a_prediction_is_scored_against_the_annotation_whichever_is_named_first(
    page, start, tmp_path
):
    data = Path(__file__).parents[1] / "data" / "dsb2018"
    image = sorted((data / "images").iterdir())[0]
    height, width = cv2.imread(str(image)).shape[:2]
    predicted = made_nuclei(40, size=(width, height))
    write_results(tmp_path / "out", predicted, image, stem=image.stem, mpp=0.5)
    _, link = start(data, tmp_path / "out", "--mpp", 0.5)
    opened(page, link)
    page.evaluate(f"location.hash = 'slide={image.stem}'")
    page.reload()
    until(page, "!!(window.karyoscope && karyoscope.state.result)")
    assert state(page, "slide.name") == image.stem
    annotated = state(page, "result.info.nuclei")
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("button", name="Differences").click()
    until(page, "karyoscope.state.agreement !== null")
    counts = state(page, "agreement.counts")
    both = counts["agrees"] + counts["other class"]
    assert both + counts["extra"] == 40
    assert both + counts["missed"] == annotated
    assert page.get_by_text("scored against annotation").is_visible()
    assert page.get_by_role("row", name="precision").is_visible()


def test_a_queue_leads_from_slide_to_slide_and_several_are_merged_without_shift(
    page, start, results, example_slide, nuclei, tmp_path
):
    image = tmp_path / "other.png"
    cv2.imwrite(str(image), np.full((600, 800, 3), 230, np.uint8))
    other = write_results(
        tmp_path / "second", made_nuclei(40, 1, (800, 600)), image, "other", mpp=0.5
    )
    places = tmp_path / "places.csv"
    rows = f"{STEM},100,100,300,300", "other,200,150,256,256"
    places.write_text("\n".join(["slide,x,y,width,height", *rows]) + "\n")
    slides = "--slides", example_slide, "--slides", image, "--mpp", 0.5
    _, link = start(results, other, *slides, "--edit", "--queue", places)
    opened(page, link)
    for name in (example_slide.name, image.name):
        page.keyboard.press("]")
        until(page, f"karyoscope.state.slide.name === '{name}' && karyoscope.state.result")
    until(page, "karyoscope.state.x === 200 + 128 && karyoscope.state.y === 150 + 128")
    page.keyboard.press("v")
    until(page, "karyoscope.state.regions.length === 1")
    (written,) = [json.loads(p.read_text("utf-8")) for p in tmp_path.glob("*/*.regions.geojson")]
    assert written["features"][0]["geometry"]["coordinates"][0][0] == [200, 150]
    assert (other / "other.regions.geojson").is_file()
    # As with a finger, which has no Shift.
    page.get_by_role("tab", name="Correct").click()
    page.get_by_label("Select several").check()
    a, b = (int(i) for i in made_nuclei(40, 1, (800, 600)).id[:2])
    page.evaluate(f"karyoscope.goTo({a})")
    until(page, f"karyoscope.state.nucleus && karyoscope.state.nucleus.id === {a}")
    page.wait_for_timeout(1000)
    table = read_parquet(other / "other.parquet")
    where = [int(np.flatnonzero(table.id == i)[0]) for i in (a, b)]
    page.evaluate("karyoscope.move(400, 300, 0)")
    until(page, "karyoscope.state.result.tiles.size > 0")
    page.wait_for_timeout(500)
    page.mouse.click(*on_screen(page, table.x[where[1]], table.y[where[1]]))
    until(page, "karyoscope.state.selected.length === 2")
    assert state(page, "selected") == [a, b]
    assert page.problems == []
