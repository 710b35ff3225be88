"""The whole round: nuclei corrected in the page, collected, and learned from."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import shapely
import shapely.geometry
from in_browser import STEM, opened, state, until

from karyoscope.datasets import open_dataset
from karyoscope.formats import read_parquet
from karyoscope.slides import open_slide

pytestmark = pytest.mark.slow

CORNERS = (300, 300), (1300, 1300)


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "karyoscope", *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def mirror(slide, corrected, image):
    """Write a slide, and what was corrected on it, the other way round."""
    with open_slide(slide) as opened:
        width, height = opened.size
        rgb = opened.read(0, 0, width, height)
    cv2.imwrite(str(image), rgb[:, ::-1, ::-1])
    collection = json.loads(corrected.read_text("utf-8"))
    for feature in collection["features"]:
        turned = shapely.transform(
            shapely.geometry.shape(feature["geometry"]), lambda c: [width, 0] + c * [-1, 1]
        )
        feature["geometry"] = json.loads(shapely.to_geojson(turned))
    path = image.with_suffix(".corrected.geojson")
    path.write_text(json.dumps(collection))
    return path


def test_nuclei_corrected_in_the_page_are_learned_from(
    page, start, results, example_slide, tmp_path
):
    pytest.importorskip("lightning", reason="trains")
    _, link = start(results, "--slides", example_slide, "--edit")
    opened(page, link)
    # A reviewed region, and in it: ten nuclei of another class, one deleted.
    page.get_by_role("tab", name="Regions").click()
    box = shapely.box(*CORNERS[0], *CORNERS[1])
    drawn = {"geometry": json.loads(shapely.to_geojson(box)), "properties": {"name": "mine"}}
    content = {"name": "a.geojson", "mimeType": "application/json"}
    page.set_input_files("#import", {**content, "buffer": json.dumps(drawn).encode()})
    until(page, "karyoscope.state.regions.length === 1")
    page.get_by_role("button", name="Reviewed").click()
    until(page, "karyoscope.state.regions[0].properties.reviewed")
    page.get_by_role("tab", name="Correct").click()
    truth = read_parquet(results / f"{STEM}.parquet")
    inside = shapely.contains_xy(box, truth.x, truth.y)
    *ten, gone = (int(i) for i in truth.id[inside & (truth.class_id != 5)][:11])
    for nucleus in ten:
        page.evaluate(f"karyoscope.goTo({nucleus})")
        until(page, f"karyoscope.state.nucleus && karyoscope.state.nucleus.id === {nucleus}")
        page.keyboard.press("5")
        until(page, f"karyoscope.state.result.changed.get({nucleus}) === 5")
    page.evaluate(f"karyoscope.goTo({gone})")
    until(page, f"karyoscope.state.nucleus && karyoscope.state.nucleus.id === {gone}")
    page.keyboard.press("Delete")
    until(page, "karyoscope.state.result.edits === 11")
    page.get_by_role("button", name="Write reviewed regions").click()
    until(page, "karyoscope.state.message.includes('written')")
    assert f"{STEM}.corrected.geojson" in state(page, "message")

    corrected, made = results / f"{STEM}.corrected.geojson", tmp_path / "corrected_set"
    command(
        "data",
        "collect",
        corrected,
        "--slides",
        example_slide,
        "--classes",
        "lizard",
        "--out",
        made,
    )
    (collected,) = open_dataset(made)
    (written,) = open_dataset(results / f"{STEM}.reviewed")
    for sample in (collected, written):
        classes = sample.classes[1:]
        assert (classes == 5).sum() == (inside & (truth.class_id == 5)).sum() + 10
        assert len(classes) == inside.sum() - 1
    # Both say the same of nearly every pixel: nucleus, background, or nothing.
    said = [np.where(s.ignore, -1, s.inst_map > 0) for s in (collected, written)]
    assert (said[0] == said[1]).mean() > 0.98

    # A second slide to validate on: the first in a mirror.
    slides = tmp_path / "slides"
    slides.mkdir()
    (slides / example_slide.name).symlink_to(example_slide)
    mirrored = mirror(example_slide, corrected, slides / "second.png")
    both, run = tmp_path / "both", tmp_path / "run"
    options = "--slides", slides, "--mpp", 0.499, "--classes", "lizard", "--out", both
    command("data", "collect", corrected, mirrored, *options)
    command("train", "--data", both, "--start", "lizard", "--steps", 4, "--out", run)
    command("export", run, "--out", tmp_path / "mine")
    assert (tmp_path / "mine" / "model.yaml").is_file()
