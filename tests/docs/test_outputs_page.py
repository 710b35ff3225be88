"""The page of outputs: its examples run where their libraries are, and it names every file."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import cv2
import matplotlib
import matplotlib.pyplot as plt
import pytest

import karyoscope
from karyoscope.features import feature_columns
from karyoscope.formats import WRITERS
from karyoscope.pipeline import FORMATS, SegmentOptions, segment_file

PAGE = Path(__file__).parents[2] / "docs" / "outputs.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_bundle, example_slide):
    """A folder with ``slide.png`` and its files in ``out``."""
    folder = tmp_path_factory.mktemp("outputs")
    with karyoscope.open_slide(example_slide) as slide:
        pixels = slide.read(900, 900, 600, 400)
    cv2.imwrite(str(folder / "slide.png"), pixels[..., ::-1])
    nuclei = karyoscope.segment(pixels, 0.5, tiny_bundle, device="cpu")
    assert len(nuclei) > 10
    (folder / "out").mkdir()
    for name in ("csv", "parquet", "geojson", "labels", "h5ad", "spatialdata"):
        writer = WRITERS[name]
        if not writer.needs or find_spec(writer.needs[1]):
            nuclei.save(folder / "out" / f"slide{writer.suffix}", pixels)
    return folder


def _libraries(example: str) -> list[str]:
    return re.findall(r"^(?:import|from) (\w+)", example, re.M)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: "-".join(_libraries(e)))
def test_the_examples_run(example, folder, monkeypatch):
    for library in _libraries(example):
        pytest.importorskip(library)
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    try:
        exec(compile(example, "docs/outputs.md", "exec"), names)
    finally:
        plt.close("all")
    for table in ("nuclei", "columns", "table"):
        if table in names:
            assert len(names[table]) > 10


def test_every_format_and_file_is_described():
    files = TEXT.partition("\n## Files")[2].partition("\n## ")[0]
    for name, writer in WRITERS.items():
        (row,) = re.findall(rf"^\| `{re.escape(name)}`(.*)$", files, re.M)
        assert f"`<stem>{writer.suffix}`" in row
        assert ("(default)" in row) == (name in FORMATS)
        for suffix in writer.companions:
            assert f"`<stem>{suffix}`" in TEXT


def test_every_key_of_a_summary_is_described(folder, tiny_bundle, tmp_path):
    drawn = tmp_path / "drawn.geojson"
    corners = [[0, 0], [400, 0], [400, 300], [0, 300], [0, 0]]
    geometry = {"type": "Polygon", "coordinates": [corners]}
    drawn.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": geometry}))
    options = SegmentOptions(("csv",), mpp=0.5, annotations=drawn, spatial=True)
    model = karyoscope.load_model(tiny_bundle, "cpu", 1)
    segment_file(folder / "slide.png", tmp_path / "out", model, options)
    summary = json.loads((tmp_path / "out" / "slide.summary.json").read_text("utf-8"))
    section = TEXT.partition("\n## The summary")[2].partition("\n## ")[0]
    described = set(re.findall(r"`([\w.\[\]]+)`", section))
    expected = set(summary) - {"classes", "quality"}
    expected |= {f"{name}[].{key}" for name in ("classes", "quality") for key in summary[name][0]}
    expected |= {*summary["model"], *summary["seconds"], *summary["spatial"]}
    expected |= {key for file in summary["files"].values() for key in file}
    assert {"regions", "spatial", "quality[].share"} <= expected
    assert expected <= described, expected - described


def test_every_column_is_described(folder):
    nuclei = karyoscope.read(folder / "out" / "slide.parquet")
    shape = {feature.name for feature in feature_columns(["shape"], nuclei.taxonomy)}
    described = set(re.findall(r"`(\w+)`", TEXT))
    for name in nuclei.columns():
        assert name in described | shape or name.startswith("p_"), name
