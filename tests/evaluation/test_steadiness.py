"""Steadiness in the card of a bundle: which images, how they are measured, where it is written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from annotated_sets import make_set

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Record, Sample
from karyoscope.evaluation.card_scores import write_measured
from karyoscope.evaluation.steadiness import (
    choose_images,
    measure_steadiness,
    steadiness_of,
    windows_of,
)
from karyoscope.inference import Bundle, Model, find_bundle
from karyoscope.inference.readme import readme_of
from karyoscope.inference.rewrite import rewrite_bundle
from made_tissue import made_tissue
from tiny_model import CARD, ThresholdEngine, write_bundle

TWO = Taxonomy.from_dict(CARD["taxonomy"])
ROOT = Path(__file__).parents[2]


def sample(name: str, height: int, width: int, mpp: float = 0.5) -> Sample:
    """Tissue without annotation, which is not looked at."""
    nothing = np.zeros((height, width), np.int32)
    image = made_tissue(height, width)
    return Sample(Record(name, name), image, nothing, np.zeros(1, np.uint8), TWO, mpp)


@pytest.fixture
def dataset(tmp_path):
    shapes = {"b": (150, 150), "a": (150, 150), "large": (180, 200), "small": (110, 400)}
    return make_set(tmp_path / "set", [sample(name, *shape) for name, shape in shapes.items()])


def names_of(samples):
    return [found.record.name for found in samples]


def test_the_largest_images_are_chosen_and_then_the_first_by_name(dataset):
    assert names_of(choose_images(dataset, images=3)) == ["large", "a", "b"]
    assert names_of(choose_images(dataset, {"small", "b"}, None)) == ["b", "small"]
    with pytest.raises(KaryoscopeError, match="none of the images"):
        choose_images(dataset, {"no such"})


def test_images_of_two_scales_are_refused():
    windows, mpp = windows_of([sample("a", 150, 150), sample("b", 150, 150)])
    assert (len(windows), mpp) == (2, 0.5)
    with pytest.raises(KaryoscopeError, match=r"these have 0\.25, 0\.5 µm/px"):
        windows_of([sample("a", 150, 150), sample("b", 150, 150, 0.25)])


def test_what_was_measured_is_in_card_and_page(tmp_path):
    tiny = Bundle(write_bundle(tmp_path / "tiny"))
    bundle = Bundle(rewrite_bundle(tiny, tmp_path / "mine", {}, readme_of(tiny.card)))
    assert bundle.read("README.md").decode() == readme_of(bundle.card)
    samples = [sample("one", 200, 200)]
    found = measure_steadiness(Model(bundle, ThresholdEngine()), samples)
    entry = steadiness_of(found, samples, data="mine", date="2026-11-28")
    assert entry.images == ("one",)
    row = entry.changes["turns"]
    assert row.nuclei > 30, "three rotations of the nuclei inside the frame"
    assert row.found_again == pytest.approx(1, abs=0.1)
    write_measured(bundle.path, steadiness=entry)
    now = find_bundle(bundle.path)
    assert now.card.steadiness == entry
    assert f"| turns | {row.found_again:.3f} |" in now.read("README.md").decode()
    with pytest.raises(KaryoscopeError, match="the folder of a bundle"):
        write_measured("lizard", steadiness=entry)


def benchmark(*arguments):
    command = [sys.executable, str(ROOT / "benchmarks" / "stability.py"), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ, stdin=subprocess.DEVNULL
    )


def test_the_benchmark_writes_into_a_card(dataset, tmp_path):
    model = write_bundle(tmp_path / "tiny")
    usual = ("--data", dataset.root, "--device", "cpu", "--workers", 1, "--into-card")
    result = benchmark("--model", model, "--images", "a", *usual)
    assert result.returncode == 0, result.stderr
    entry = find_bundle(model).card.steadiness
    assert entry.images == ("a",)
    assert entry.data == "set"
    assert entry.command == "python benchmarks/stability.py --model BUNDLE --data set --images a"
    share = entry.changes["stain"].found_again
    assert f"{share:.3f}" in result.stdout
    refused = benchmark("--model", "lizard", *usual)
    assert refused.returncode != 0
    assert "the folder of a bundle" in refused.stderr
