"""The script for QuPath, and the GeoJSON that QuPath reads.

QuPath itself is not run here. The script runs under Groovy, where that is installed, with classes
that stand in for those of QuPath that it calls.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "packaging" / "qupath" / "scripts" / "karyoscope.groovy"
STUBS = Path(__file__).parent / "stubs"


def test_the_command_of_the_script_is_one_of_ours():
    from karyoscope.cli.segment import app

    command = typer.main.get_command(app)
    options = {name for parameter in command.params for name in parameter.opts}
    text = SCRIPT.read_text(encoding="utf-8")
    used = set(re.findall(r"'(--[a-z-]+)'", text))
    assert {"--out", "--roi", "--mpp", "--model", "--device", "--tta", "--features"} <= used
    assert used <= options
    assert "[program, 'segment'," in text


@pytest.fixture(scope="module")
def groovy():
    java = shutil.which("java")
    if shutil.which("groovy") is None or java is None:
        pytest.skip("needs Groovy (Debian's package groovy)")
    return {**os.environ, "JAVA_HOME": str(Path(java).resolve().parents[1])}


def run_script(environment, program, image, **variables):
    return subprocess.run(
        ["groovy", "-cp", STUBS, SCRIPT],
        env={**environment, "KARYOSCOPE": str(program), "TEST_IMAGE": str(image), **variables},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_script_runs_the_program_and_imports_what_it_wrote(
    groovy, tmp_path, example_slide, tiny_bundle
):
    image = tmp_path / "slide 1.svs"
    shutil.copyfile(example_slide, image)
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m karyoscope "$@"\n')
    program.chmod(0o755)
    done = run_script(groovy, program, image, TEST_BOX="900,900,400,400")
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = (tmp_path / "karyoscope" / "slide_1.svs-selection").glob("*.geojson")
    features = json.loads(written.read_text(encoding="utf-8"))["features"]
    assert len(features) > 20
    # The earlier detection in the box was replaced, the one outside was kept.
    assert f"TEST objects {len(features) + 1}" in done.stdout
    assert f"{len(features)} nuclei imported, 1 detections replaced" in done.stdout
    assert "--mpp 0.499" in done.stdout


def test_a_failure_of_the_program_is_that_of_the_script(groovy, tmp_path):
    image = tmp_path / "image.png"
    image.write_bytes(b"")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho 'karyoscope: image.png is empty' >&2\nexit 1\n")
    program.chmod(0o755)
    done = run_script(groovy, program, image)
    assert done.returncode == 1
    assert "karyoscope stopped: karyoscope: image.png is empty" in done.stderr
    assert "TEST objects" not in done.stdout
    rotated = run_script(groovy, program, image, TEST_ROTATED="1")
    assert rotated.returncode == 1
    assert "open it without rotation" in rotated.stderr


def test_geojson_is_what_qupath_reads(tmp_path, example_slide, tiny_bundle, run):
    """By the rules of QuPathTypeAdapters.java and GsonTools.java of QuPath 0.4 to 0.6."""
    run("segment", example_slide, "--out", tmp_path, "--model", tiny_bundle, "--device", "cpu",
        "--roi", "900,900,200,200", "--format", "geojson")  # fmt: skip
    (written,) = tmp_path.glob("*.geojson")
    collection = json.loads(written.read_text(encoding="utf-8"))
    assert collection["type"] == "FeatureCollection"
    features = collection["features"]
    assert len(features) > 5
    for feature in features:
        assert feature["type"] == "Feature"
        assert str(uuid.UUID(feature["id"])) == feature["id"]
        assert feature["geometry"]["type"] == "Polygon"
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert len(ring) >= 4
        assert all(len(point) == 2 for point in ring)
        properties = feature["properties"]
        assert properties["objectType"] == "detection"
        assert isinstance(properties["name"], (str, int))
        kind = properties["classification"]
        assert isinstance(kind["name"], str)
        assert [0 <= part <= 255 for part in kind["color"]] == [True] * 3
        values = properties["measurements"]
        assert "Area µm^2" in values
        assert all(isinstance(value, (int, float)) for value in values.values())
    assert len({feature["id"] for feature in features}) == len(features)
