"""The page in Chromium, from the command's link to corrected nuclei that training reads."""

import json
from pathlib import Path

import pytest
import shapely
from in_browser import STEM, on_screen, opened, state, until

from karyoscope.datasets import open_dataset
from karyoscope.formats import read_parquet

AXE = Path(__file__).parents[2] / "viewer" / "node_modules" / "axe-core" / "axe.min.js"

pytestmark = pytest.mark.slow


def test_look_filter_measure_correct_and_collect(page, start, results, example_slide, nuclei):
    process, link = start(results, "--slides", example_slide, "--edit")
    opened(page, link)
    page.evaluate("karyoscope.move(700, 700, -0.5)")

    # A class goes and comes back.
    page.locator('[data-key="class-2"]').click()
    assert state(page, "hidden.has(2)")
    page.keyboard.press("2")
    assert not state(page, "hidden.has(2)")

    # A filter, typed.
    page.select_option("#column", label="area µm²")
    least = page.get_by_label("Least value shown")
    least.fill("40")
    least.press("Enter")
    until(page, "karyoscope.state.filters.length === 1")
    filtered = state(page, "filters[0].low")
    assert filtered == 40

    # A region, drawn with the pointer, counts what Python counts.
    page.get_by_role("tab", name="Regions").click()
    page.get_by_role("button", name="Polygon").click()
    corners = [(450, 450), (1000, 500), (950, 900), (500, 1000)]
    for corner in corners:
        page.mouse.click(*on_screen(page, *corner))
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('.measure tbody tr').length > 1")
    drawn = state(page, "regions[0].geometry.coordinates[0]")
    truth = read_parquet(results / f"{STEM}.parquet")
    inside = shapely.contains_xy(shapely.Polygon(drawn), truth.x, truth.y)
    shown = page.locator(".measure tbody tr").first.locator("td").first.inner_text()
    assert int(shown.replace(",", "")) == (inside & (truth.area_um2 >= 40)).sum()
    page.get_by_role("tab", name="Nuclei").click()
    page.get_by_label("Remove the filter of area µm²").click()
    page.get_by_role("tab", name="Regions").click()
    page.wait_for_timeout(500)
    shown = page.locator(".measure tbody tr").first.locator("td").first.inner_text()
    assert int(shown.replace(",", "")) == inside.sum()
    page.get_by_role("button", name="Reviewed").click()
    until(page, "karyoscope.state.regions[0].properties.reviewed")

    # Ten nuclei get another class: each found, clicked, and given it with a key.
    page.get_by_role("tab", name="Correct").click()
    ten = [int(i) for i in truth.id[inside & (truth.class_id != 5)][:10]]
    for nucleus in ten:
        page.evaluate(f"karyoscope.goTo({nucleus})")
        until(page, f"karyoscope.state.nucleus && karyoscope.state.nucleus.id === {nucleus}")
        page.keyboard.press("5")
        until(page, f"karyoscope.state.result.changed.get({nucleus}) === 5")
    assert state(page, "result.edits") == 10
    page.get_by_role("tab", name="Nuclei").click()
    listed = (
        page.locator(".classes li", has_text="eosinophil").locator(".number").first.inner_text()
    )
    assert int(listed.replace(",", "")) == (truth.class_id == 5).sum() + 10

    # After a reload they are still so, and the view is the same.
    page.wait_for_timeout(500)
    before = page.evaluate("[karyoscope.state.x, karyoscope.state.zoom]")
    page.reload()
    until(page, "!!(window.karyoscope && karyoscope.state.result)")
    assert page.evaluate("[...karyoscope.state.result.changed.keys()].length") == 10
    after = page.evaluate("[karyoscope.state.x, karyoscope.state.zoom]")
    assert after == pytest.approx(before, abs=0.1)

    # Written as a dataset that training reads.
    page.get_by_role("tab", name="Correct").click()
    page.get_by_role("button", name="Write reviewed regions").click()
    until(page, "karyoscope.state.message.includes('written')")
    (sample,) = open_dataset(results / f"{STEM}.reviewed")
    written = int((sample.classes == sample.taxonomy.id_of("eosinophil")).sum())
    assert written == (inside & (truth.class_id == 5)).sum() + 10

    # A stopped server is told of.
    process.send_signal(2)
    process.wait(20)
    page.evaluate("karyoscope.goTo(1)")
    until(page, "karyoscope.state.message.includes('does not answer')")
    assert all(
        url.startswith(link[: link.index("/open")])
        for url in page.elsewhere
        if not url.startswith(("blob:", "data:"))
    )


def test_with_keys_alone(page, start, results, example_slide, nuclei):
    _, link = start(results, "--slides", example_slide, "--edit")
    opened(page, link)
    press = page.keyboard.press
    zoom = state(page, "zoom")
    for key in ("+", "+", "ArrowRight", "ArrowDown"):
        press(key)
    assert state(page, "zoom") == pytest.approx(zoom + 1)
    until(page, "karyoscope.state.result.tiles.size > 3")
    page.evaluate("document.querySelector('.surface').focus()")
    press("Tab")
    until(page, "karyoscope.state.nucleus !== null")
    first = state(page, "selected[0]")
    press("Tab")
    until(page, f"karyoscope.state.selected[0] !== {first}")
    press("e")
    until(page, "karyoscope.state.nucleus !== null")
    nucleus = state(page, "selected[0]")
    press("4")
    until(page, "karyoscope.state.result.edits === 1")
    press("Control+z")
    until(page, "karyoscope.state.result.edits === 2")
    assert page.evaluate(f"karyoscope.state.result.changed.has({nucleus})") is False
    # A rectangle from cross to cross.
    page.evaluate("document.querySelector('.surface').focus()")
    press("b")
    press("Space")
    for _ in range(4):
        press("ArrowRight")
        press("ArrowDown")
    press("Space")
    until(page, "karyoscope.state.regions.length === 1")
    press("f")
    page.wait_for_timeout(200)
    page.keyboard.type(str(int(nuclei.id[7])))
    press("Enter")
    until(page, f"karyoscope.state.selected[0] === {int(nuclei.id[7])}")
    press("Escape")
    press("?")
    assert page.get_by_role("dialog", name="Keys").is_visible()
    assert page.problems == []


def test_problems_are_told_in_the_page(page, start, results, tmp_path):
    _, link = start(results, "--slides", tmp_path / "out")
    opened(page, link)
    assert "was not found" in page.get_by_role("alert").inner_text()
    (results / f"{STEM}.parquet").write_bytes(b"damaged")
    _, link = start(results)
    page.goto(link)
    until(page, "document.querySelector('.message').textContent.includes('no table of nuclei')")


def test_names_are_text_and_never_markup(page, start, results, example_slide, tmp_path):
    evil = tmp_path / "<img src=x onerror=alert(1)>"
    results.rename(evil)
    region = {"type": "Polygon", "coordinates": [[[9, 9], [999, 9], [999, 999], [9, 9]]]}
    properties = {"name": "<b onclick=alert(2)>bold</b><script>alert(3)</script>"}
    feature = {"type": "Feature", "geometry": region, "properties": properties}
    regions = {"type": "FeatureCollection", "features": [feature]}
    (evil / f"{STEM}.regions.geojson").write_text(json.dumps(regions))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    _, link = start(evil, evil / f"{STEM}.parquet", "--slides", example_slide)
    opened(page, link)
    page.get_by_role("tab", name="Regions").click()
    assert page.locator(".label").inner_text() == properties["name"]
    assert page.locator("main img[src=x], main b, main script").count() == 0
    assert asked == []
    assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_accessibility(chromium, start, results, example_slide, scheme, width):
    if not AXE.is_file():
        pytest.skip("needs `npm ci` in viewer/")
    _, link = start(results, "--slides", example_slide, "--edit")
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    opened(page, link)
    page.evaluate(
        "karyoscope.state.panelOpen || document.querySelector('[aria-label^=Panel]').click()"
    )
    page.evaluate(f"karyoscope.goTo({int(read_parquet(results / f'{STEM}.parquet').id[5])})")
    page.wait_for_timeout(800)
    page.add_script_tag(path=str(AXE))
    for tab in ("Nuclei", "Regions", "Compare", "Correct"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(200)
        found = page.evaluate("axe.run()")
        serious = [
            (v["id"], [n["html"][:160] for n in v["nodes"]])
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        assert serious == [], tab
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
