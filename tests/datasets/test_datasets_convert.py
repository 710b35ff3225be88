"""From layout to layout and back, and a user's whole story on the command line."""

import json

import cv2
import numpy as np
import pytest
from dataset_layouts import CASES, DATA
from dataset_pictures import pictures, same_partition
from typer.testing import CliRunner

from karyoscope.cli.data import app
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import merge_classes, open_dataset
from karyoscope.datasets.convert import LAYOUTS, convert
from karyoscope.datasets.split import split_dataset
from karyoscope.datasets.writing import write_png

OUTLINED = [name for name in CASES if name != "crchisto"]


def assert_same(first, second):
    """Same images, outlines, classes, scale and records, up to the numbering of nuclei."""
    before, after = list(first), list(second)
    assert [s.record for s in before] == [s.record for s in after]
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        assert same_partition(a.inst_map, b.inst_map)
        np.testing.assert_array_equal(a.class_map, b.class_map)
        np.testing.assert_equal(a.mpp, b.mpp)
        assert a.taxonomy == b.taxonomy


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", OUTLINED)
def test_any_dataset_survives_any_layout(name, layout, tmp_path):
    CASES[name].write(tmp_path / "in", pictures(CASES[name]))
    dataset = open_dataset(tmp_path / "in", name)
    result = convert(dataset, layout, tmp_path / "out")
    assert result.images == 2
    assert result.problems == []
    back = open_dataset(tmp_path / "out")
    assert back.name == layout
    assert back.problems == []
    assert_same(dataset, back.whole())


def test_a_chain_through_all_layouts_loses_nothing(tmp_path):
    start = open_dataset(DATA / "dsb2018", mpp=0.25)
    start.records = start.records[:3]
    at = start
    for i, layout in enumerate((*LAYOUTS, "folder")):
        convert(at, layout, tmp_path / str(i))
        at = open_dataset(tmp_path / str(i))
    assert_same(start, at)


@pytest.mark.parametrize("layout", ["folder", "geojson"])
def test_points_and_ignored_pixels_are_kept(layout, tmp_path):
    CASES["crchisto"].write(tmp_path / "points", pictures(CASES["crchisto"]))
    points = open_dataset(tmp_path / "points")
    convert(points, layout, tmp_path / "a")
    for a, b in zip(points, open_dataset(tmp_path / "a"), strict=True):
        np.testing.assert_allclose(b.points, a.points)
    CASES["monusac"].write(tmp_path / "regions", pictures(CASES["monusac"]))
    path = sorted((tmp_path / "regions").rglob("*.xml"))[0]
    path.write_text(path.read_text("utf-8").replace('Name="Macrophage"', 'Name="Ambiguous"'))
    regions = open_dataset(tmp_path / "regions")
    convert(regions, layout, tmp_path / "b")
    for a, b in zip(regions, open_dataset(tmp_path / "b"), strict=True):
        np.testing.assert_equal(b.ignore, a.ignore)
    notes = convert(regions, "lizard", tmp_path / "c").notes
    assert notes == [f"{path.stem}: ignored pixels have no place in lizard"]


def test_points_are_refused_by_layouts_of_outlines(tmp_path):
    CASES["crchisto"].write(tmp_path / "in", pictures(CASES["crchisto"]))
    with pytest.raises(KaryoscopeError, match="no place for points"):
        convert(open_dataset(tmp_path / "in"), "conic", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_damaged_images_are_named_and_left_out(tmp_path):
    CASES["folder"].write(tmp_path / "in", pictures(CASES["folder"]))
    (tmp_path / "in" / "labels" / "a_1.png").write_bytes(b"nothing")
    result = convert(open_dataset(tmp_path / "in"), "conic", tmp_path / "out")
    assert result.images == 1
    assert "a_1.png" in result.problems[0]
    (tmp_path / "in" / "labels" / "b_2.png").write_bytes(b"nothing")
    with pytest.raises(KaryoscopeError, match="no image could be read"):
        convert(open_dataset(tmp_path / "in"), "conic", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_nothing_is_replaced_unasked(tmp_path):
    dataset = open_dataset(DATA / "dsb2018")
    dataset.records = dataset.records[:1]
    convert(dataset, "folder", tmp_path / "out")
    with pytest.raises(KaryoscopeError, match="--overwrite"):
        convert(dataset, "folder", tmp_path / "out")
    convert(dataset, "conic", tmp_path / "out", overwrite=True)
    assert open_dataset(tmp_path / "out").name == "conic"
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("aunt")
    with pytest.raises(KaryoscopeError, match="not replaced"):
        convert(dataset, "folder", tmp_path / "letters", overwrite=True)
    with pytest.raises(KaryoscopeError, match="cannot write layout 'qu'"):
        convert(dataset, "qu", tmp_path / "other")


def test_converting_in_place_keeps_everything(tmp_path):
    start = open_dataset(DATA / "nucls")
    convert(start, "folder", tmp_path / "data")
    convert(open_dataset(tmp_path / "data"), "conic", tmp_path / "data", overwrite=True)
    assert_same(start, open_dataset(tmp_path / "data").whole())
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_merged_classes_are_written(tmp_path):
    CASES["lizard"].write(tmp_path / "in", pictures(CASES["lizard"]))
    merged = merge_classes(open_dataset(tmp_path / "in"), Taxonomy.load("consep4"))
    convert(merged, "conic", tmp_path / "out")
    head = (tmp_path / "out" / "counts.csv").read_text("utf-8").splitlines()[0]
    assert head == "other,inflammatory,epithelial,spindle"
    assert_same(merged, open_dataset(tmp_path / "out").whole())


def run(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_story_of_a_user_with_a_plain_folder(tmp_path):
    """Twelve images and masks: inspected, split, converted to CoNIC arrays and back."""
    source = DATA / "dsb2018"
    found = json.loads(run("inspect", source, "--sheet", tmp_path / "sheet.png", "--json"))
    assert len(found["images"]) == 12
    assert found["counts"] == {"nucleus": 545}
    assert (found["leaks"], found["duplicates"], found["problems"]) == ([], [], [])
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[0] > 3 * 384
    assert "unknown, give --mpp" in run("inspect", source)

    shown = run(
        "split",
        source,
        "--seed",
        3,
        "--part",
        "train=0.75",
        "--part",
        "test=0.25",
        "--out",
        tmp_path / "split.json",
    )
    assert "train: 9 images" in shown
    parts = json.loads((tmp_path / "split.json").read_text("utf-8"))["parts"]
    assert (len(parts["train"]), len(parts["test"])) == (9, 3)

    run(
        "convert",
        source,
        "--to",
        "conic",
        "--mpp",
        0.25,
        "--split",
        tmp_path / "split.json",
        "--out",
        tmp_path / "conic",
    )
    # 256 x 320: one patch on the grid, and one that ends at the right edge.
    assert np.load(tmp_path / "conic" / "images.npy").shape == (24, 256, 256, 3)
    patches = open_dataset(tmp_path / "conic")
    assert {r.source for r in patches.records if r.split == "test"} == set(parts["test"])

    run("convert", tmp_path / "conic", "--to", "folder", "--out", tmp_path / "back")
    back = open_dataset(tmp_path / "back")
    assert back.mpp == 0.25
    assert {r.name for r in back.records if r.split == "test"} == set(parts["test"])
    for name in (*parts["train"], *parts["test"]):
        for folder in ("images", "labels"):
            old = cv2.imread(str(source / folder / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            new = cv2.imread(str(tmp_path / "back" / folder / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(new, old)


def test_convert_ends_with_1_where_an_image_failed(tmp_path):
    CASES["folder"].write(tmp_path / "in", pictures(CASES["folder"]))
    (tmp_path / "in" / "labels" / "a_1.png").write_bytes(b"nothing")
    arguments = ["convert", str(tmp_path / "in"), "--to", "geojson", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "1 images" in result.stdout
    assert (tmp_path / "out" / "b_2.geojson").is_file()


def test_inspect_names_leaks_and_copies(tmp_path):
    image = np.full((40, 60, 3), 200, np.uint8)
    for split in ("train", "test"):
        write_png(tmp_path / split / "images" / f"TCGA-A1-A0SP_{split}.png", image)
        write_png(tmp_path / split / "labels" / f"TCGA-A1-A0SP_{split}.png", image[..., 0] * 0)
    shown = run("inspect", tmp_path)
    assert "TCGA-A1-A0SP: test has TCGA-A1-A0SP_test; train has TCGA-A1-A0SP_train" in shown
    assert "same pixels" in shown
    assert "40" in shown


def test_split_of_a_dataset_counts_its_nuclei():
    dataset = open_dataset(DATA / "nucls")
    split = split_dataset(dataset, {"a": 0.5, "b": 0.5})
    counts = [split.counts[part]["classes"] for part in "ab"]
    assert sum(sum(c.values()) for c in counts) == 39


def test_bad_part_is_an_error_of_use():
    with pytest.raises(KaryoscopeError, match=r"train=0\.8"):
        CliRunner().invoke(
            app, ["split", str(DATA / "dsb2018"), "--part", "train"], catch_exceptions=False
        )
