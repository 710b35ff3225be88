"""Models with a stain of their own: as if the user had given it, and never twice."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import tiny_model
from karyoscope import open_slide, segment
from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Bundle, Model
from karyoscope.inference.bundle import InputSpec
from karyoscope.pipeline import (
    LocalExecutor,
    SegmentOptions,
    load_stain,
    model_input_image,
    prepare_model,
    segment_file,
)
from karyoscope.pipeline.runs import run_settings
from karyoscope.pipeline.stains.inputs import builtin_stain, model_input
from karyoscope.stains import build_normaliser
from tiny_model import CARD, ThresholdEngine, assert_same_nuclei, write_card

CLAHE = CARD["input"] | {"stain": "clahe"}


def model_of(folder, **changes):
    changes = {"files": {"model.onnx": "0" * 64}} | changes
    return Model(Bundle(write_card(folder, **changes)), ThresholdEngine())


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The same network without and with CLAHE of its own."""
    root = tmp_path_factory.mktemp("models")
    return model_of(root / "plain"), model_of(root / "own", input=CLAHE)


@pytest.fixture(scope="module")
def part(tissue):
    return np.ascontiguousarray(tissue[:330, :410])


def test_a_card_without_one_is_as_before(models, part):
    plain, _ = models
    assert plain.bundle.card.input.stain is None
    assert "stain" not in CARD["input"]
    assert model_input_image(part, plain) is part
    slide = open_slide(part, mpp=0.5)
    assert model_input(slide, plain) is slide


def test_the_nuclei_are_those_of_the_stain_given_by_hand(models, part):
    plain, own = models
    found = segment(part, 0.5, own)
    assert len(found) > 20
    assert_same_nuclei(found, segment(part, 0.5, plain, stain="clahe"))
    unstained = segment(part, 0.5, plain)
    assert len(unstained) != len(found) or not np.array_equal(unstained.x, found.x)


def test_so_are_those_of_a_file_and_the_summary_says_so(models, part, tmp_path):
    plain, own = models
    image = tmp_path / "tissue.png"
    Image.fromarray(part).save(image)
    options = SegmentOptions(formats=["csv"], mpp=0.5)
    mine = segment_file(image, tmp_path / "own", own, options)
    theirs = segment_file(
        image, tmp_path / "given", plain, replace(options, stain=load_stain("clahe"))
    )
    assert mine["nuclei"] == theirs["nuclei"] > 20
    columns = [(tmp_path / run / "tissue.csv").read_text("utf-8") for run in ("own", "given")]
    assert columns[0] == columns[1]
    assert mine["run"]["model"]["stain"] == {"name": "clahe", "cell": 32, "limit": 4.0}
    assert mine["run"]["stain"] is None
    assert "stain" not in theirs["run"]["model"]


def test_a_run_without_it_does_not_go_on_from_one_with(models, part, tmp_path):
    image = tmp_path / "tissue.png"
    Image.fromarray(part).save(image)
    found = [run_settings(image, model, SegmentOptions())["model"] for model in models]
    assert found[0] != found[1]
    assert set(found[0]) == {"name", "version", "sha256"}
    assert json.loads(json.dumps(found)) == found


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_window_of_what_is_seen_is_part_of_the_whole(models, part, data):
    whole = build_normaliser("clahe").fit(part[:0])(part)
    seen = model_input(open_slide(part, mpp=0.5), models[1])
    height, width = part.shape[:2]
    x, y = (data.draw(st.integers(0, edge - 1)) for edge in (width, height))
    w, h = (data.draw(st.integers(1, edge - at)) for edge, at in ((width, x), (height, y)))
    np.testing.assert_array_equal(seen.read(x, y, w, h, 0.5), whole[y : y + h, x : x + w])
    np.testing.assert_array_equal(model_input_image(part, models[1]), whole)


def test_a_region_gives_the_nuclei_of_the_whole(models, tissue):
    _, own = models
    region = (203, 155, 310, 290)
    x, y, w, h = region
    whole = segment(tissue, 0.5, own)
    inside = (whole.x >= x) & (whole.x < x + w) & (whole.y >= y) & (whole.y < y + h)
    found = segment(tissue, 0.5, own, roi=region)
    assert len(found) > 10
    assert_same_nuclei(found, whole.take(np.flatnonzero(inside)))


def test_what_runs_blocks_elsewhere_gets_the_slide_as_seen(models, part, tmp_path):
    """A cluster's tasks are given the slide with all its stains."""
    tifffile.imwrite(tmp_path / "tissue.tif", part)
    seen = []

    class Elsewhere(LocalExecutor):
        def run_blocks(self, slide, *arguments):
            seen.append(slide.read(0, 0, part.shape[1], part.shape[0], 0.5))
            return super().run_blocks(slide, *arguments)

    options = SegmentOptions(formats=["csv"], mpp=0.5)
    segment_file(
        tmp_path / "tissue.tif", tmp_path / "out", models[1], options, executor=Elsewhere()
    )
    np.testing.assert_array_equal(seen[0], model_input_image(part, models[1]))


class TestBoth:
    def test_the_user_s_comes_first(self, models, part, tmp_path):
        Image.fromarray((part // 2 + 120).astype(np.uint8)).save(tmp_path / "pale.png")
        stain = load_stain(f"reinhard:{tmp_path / 'pale.png'}")
        by_hand = stain.over(open_slide(part, mpp=0.5)).read(0, 0, part.shape[1], part.shape[0])
        expected = build_normaliser("clahe").fit(part[:0])(by_hand)
        np.testing.assert_array_equal(model_input_image(part, models[1], stain), expected)
        seen = model_input(open_slide(part, mpp=0.5), models[1], stain)
        np.testing.assert_array_equal(seen.read(37, 41, 200, 150, 0.5), expected[41:191, 37:237])

    def test_the_same_twice_is_refused(self, models, part):
        with pytest.raises(KaryoscopeError, match=r"'tiny' applies clahe by itself.*leave"):
            segment(part, 0.5, models[1], stain="clahe")


class TestWrong:
    @pytest.mark.parametrize("name", ["macenko", "reinhard", "claeh", "clahe:x.png", "../bundle"])
    def test_stains_that_no_model_can_have(self, name, tmp_path, part):
        with pytest.raises(KaryoscopeError, match=r"no stain that a model .* there are clahe"):
            builtin_stain(name)
        folder = write_card(tmp_path / "bundle", input=CLAHE | {"stain": name})
        with pytest.raises(KaryoscopeError, match=r"model bundle .*input.stain: "):
            prepare_model(folder, "cpu", 1)
        with pytest.raises(KaryoscopeError, match=r"model bundle .*input.stain: "):
            segment(part, 0.5, Model(Bundle(folder), ThresholdEngine()))

    def test_it_is_a_name(self):
        with pytest.raises(ValueError, match="stain"):
            InputSpec(mean=(0, 0, 0), std=(1, 1, 1), stain=3)


def test_a_bundle_that_is_run_by_its_path(tmp_path, part):
    pytest.importorskip("onnx", reason="writes the network of a model with onnx")
    plain, own = (
        tiny_model.write_bundle(tmp_path / name, input=spec)
        for name, spec in (("plain", CARD["input"]), ("own", CLAHE))
    )
    found = segment(part, 0.5, own, device="cpu", threads=1)
    given_by_hand = segment(part, 0.5, plain, device="cpu", threads=1, stain="clahe")
    assert len(found) > 10
    assert_same_nuclei(found, given_by_hand)
