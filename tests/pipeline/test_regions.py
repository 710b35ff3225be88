"""Nuclei counted by what someone drew, against an independent computation."""

import csv
import itertools
import json

import numpy as np
import pytest
import shapely
from drawn import annotation, areas_in, points_of, square, tissue_in, write
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.distance import cdist

from karyoscope.core.errors import KaryoscopeError
from karyoscope.pipeline import SegmentOptions, add_features, segment_file
from karyoscope.slides import open_slide

MPP = 0.5
HOLED = shapely.geometry.mapping(
    shapely.difference(shapely.box(50.5, 40.5, 420, 500), shapely.box(150, 150, 300, 300))
)
PARTS = shapely.geometry.mapping(
    shapely.union(shapely.box(500, 50, 650, 200), shapely.Point(700, 500).buffer(90))
)
NESTED = square(300, 300, 400, 500)
DRAWN = (
    annotation(HOLED, "tumour", "Tumor"),
    annotation(NESTED, "nest", "Tumor"),
    annotation(PARTS, kind="Stroma"),
    annotation(square(450, 600, 480, 640)),
)


def region_table(folder, stem="a"):
    with (folder / f"{stem}.regions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def by_name(rows):
    return {row["region"] or row["class"] or row["kind"]: row for row in rows}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tissue):
    path = tmp_path_factory.mktemp("slides") / "a.png"
    Image.fromarray(tissue).save(path)
    return path


@pytest.fixture(scope="module")
def counted(tmp_path_factory, threshold_model, saved):
    folder = tmp_path_factory.mktemp("counted")
    drawn = write(folder / "drawn.json", *DRAWN)
    options = SegmentOptions(("parquet", "csv"), mpp=MPP, annotations=drawn)
    summary = segment_file(saved, folder, threshold_model, options)
    return folder, drawn, summary


def test_every_number_of_a_region_equals_an_independent_computation(counted, saved):
    folder, drawn, _ = counted
    points, columns = points_of(folder / "a.parquet")
    rows = by_name(region_table(folder))
    with open_slide(saved, MPP) as slide:
        for (name, kind, area), row in zip(areas_in(drawn), region_table(folder), strict=False):
            inside = np.array([area.contains(point) for point in points])
            assert (row["kind"], row["class"]) == ("annotation", kind)
            assert not name or row["region"] == name
            assert int(row["nuclei"]) == inside.sum()
            assert float(row["area_mm2"]) == pytest.approx(area.area * MPP**2 * 1e-6)
            assert float(row["analysed_mm2"]) == pytest.approx(area.area * MPP**2 * 1e-6)
            tissue = tissue_in(slide, area)
            assert float(row["tissue_mm2"]) == pytest.approx(tissue)
            if tissue:
                assert float(row["density_per_mm2"]) == pytest.approx(inside.sum() / tissue)
            for of in ("blue", "brown"):
                mine = inside & (columns["class"] == of)
                assert int(row[f"count_{of}"]) == mine.sum()
                if inside.any():
                    assert float(row[f"share_{of}"]) == pytest.approx(mine.sum() / inside.sum())
                if mine.any():
                    mean = columns["area_um2"][mine].astype(float).mean()
                    assert float(row[f"mean_area_{of}_um2"]) == pytest.approx(mean)
            if inside.any():
                for feature in ("perimeter_um", "solidity"):
                    mean = np.nanmean(columns[feature][inside].astype(float))
                    assert float(row[f"mean_{feature}"]) == pytest.approx(mean)
    assert int(rows["Tumor"]["nuclei"]) == int(rows["tumour"]["nuclei"]), "the nest lies in it"
    assert "mean_orientation_deg" not in rows["all"]


def test_spacing_and_mixture(counted):
    folder, drawn, _ = counted
    points, columns = points_of(folder / "a.parquet")
    name, _, area = areas_in(drawn)[0]
    row = by_name(region_table(folder))[name]
    inside = [k for k, point in enumerate(points) if area.contains(point)]
    xy = np.array([(points[k].x, points[k].y) for k in inside]) * MPP
    distances = cdist(xy, xy)
    np.fill_diagonal(distances, np.inf)
    nearest, n = distances.min(1), len(inside)
    assert float(row["nearest_um"]) == pytest.approx(np.median(nearest))
    a, p = area.area * MPP**2, area.length * MPP
    expected = 0.5 * np.sqrt(a / n) + (0.0514 + 0.041 / np.sqrt(n)) * p / n
    assert float(row["clark_evans"]) == pytest.approx(nearest.mean() / expected)
    shares = np.unique(columns["class"][inside], return_counts=True)[1] / n
    entropy = -(shares * np.log2(shares)).sum()
    assert float(row["class_entropy_bits"]) == pytest.approx(entropy)


def test_a_nucleus_lies_in_the_smallest_region_around_it(counted):
    folder, drawn, _ = counted
    points, columns = points_of(folder / "a.parquet")
    names = ["tumour", "nest", "Stroma 1", "annotation 1"]
    areas = [area for *_, area in areas_in(drawn)]
    for point, region in zip(points, columns["region"], strict=True):
        around = [k for k, area in enumerate(areas) if area.contains(point)]
        assert region == (names[min(around, key=lambda k: areas[k].area)] if around else "")
    assert {"tumour", "nest", "Stroma 1", ""} <= set(columns["region"])
    with (folder / "a.csv").open(newline="", encoding="utf-8") as file:
        assert [row["region"] for row in csv.DictReader(file)] == columns["region"].tolist()


def test_the_summary_holds_the_same_rows(counted):
    folder, _, summary = counted
    kept = json.loads((folder / "a.summary.json").read_text("utf-8"))["regions"]
    assert kept == summary["regions"]
    assert [str(row["nuclei"]) for row in kept] == [row["nuclei"] for row in region_table(folder)]
    assert "a.regions.csv" in summary["files"]
    whole = by_name(region_table(folder))["all"]
    assert int(whole["nuclei"]) == summary["nuclei"]
    assert float(whole["tissue_mm2"]) == pytest.approx(summary["tissue_mm2"], abs=1e-6)
    assert float(whole["analysed_mm2"]) == pytest.approx(summary["analysed_mm2"], abs=1e-6)


edge = st.integers(0, 8)


@settings(max_examples=12)
@given(
    columns=st.lists(edge, min_size=2, max_size=4, unique=True).map(sorted),
    rows=st.lists(edge, min_size=2, max_size=3, unique=True).map(sorted),
    roi=st.sampled_from([None, (100, 60, 500, 400)]),
    kinds=st.lists(st.sampled_from(["", "Tumor", "Stroma"]), min_size=6, max_size=6),
)
def test_disjoint_annotations_and_the_outside_add_up_to_everything(
    threshold_model, saved, tmp_path_factory, columns, rows, roi, kinds
):
    """Also where they touch, end at the slide's edge, or the run is cut to a part of it."""
    folder = tmp_path_factory.mktemp("law")
    cells = [
        annotation(square(112.5 * a, 95 * c, 112.5 * b, 95 * d), kind=kind)
        for (a, b, c, d), kind in zip(
            (
                (a, b, c, d)
                for a, b in itertools.pairwise(columns)
                for c, d in itertools.pairwise(rows)
            ),
            kinds,
            strict=False,
        )
    ]
    drawn = write(folder / "drawn.json", *cells)
    options = SegmentOptions((), mpp=MPP, annotations=drawn, roi=roi, features=())
    found = segment_file(saved, folder, threshold_model, options)["regions"]
    whole = found[-1]
    parts = [row for row in found if row["kind"] in ("annotation", "outside")]
    assert len(parts) == len(cells) + 1
    for name in ("nuclei", "tissue_mm2", "analysed_mm2", "area_mm2"):
        assert sum(row[name] for row in parts) == pytest.approx(whole[name], abs=1e-12)
    for k, of in enumerate(whole["classes"]):
        assert sum(row["classes"][k]["count"] for row in parts) == of["count"]
    for row in (row for row in found if row["kind"] == "class"):
        mine = [r for r in parts if r["class"] == row["class"] and r["kind"] == "annotation"]
        for name in ("nuclei", "tissue_mm2", "analysed_mm2", "area_mm2"):
            assert row[name] == pytest.approx(sum(r[name] for r in mine), abs=1e-12)


def run(saved, folder, model, *features, **options):
    drawn = write(folder / "drawn.json", *features)
    given = SegmentOptions((), mpp=MPP, annotations=drawn, **options)
    return segment_file(saved, folder / "out", model, given)


def test_the_order_of_the_blocks_does_not_matter(counted, threshold_model, saved, tmp_path):
    """One block or many, the regions are the same."""
    from karyoscope.pipeline import to_files
    from karyoscope.pipeline.tiling.blocks import Layout

    def small(model, area):
        grid = area.grid
        return Layout(grid.width, grid.height, model.context, 64, 256, within=area.on_grid)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(to_files, "layout_for", small)
        found = run(saved, tmp_path, threshold_model, *DRAWN)["regions"]
    for row, other in zip(found, counted[2]["regions"], strict=True):
        for name in ("nuclei", "density_per_mm2", "analysed_mm2", "nearest_um", "clark_evans"):
            known = other[name] is not None
            assert row[name] == (pytest.approx(other[name], rel=1e-9) if known else None)


def test_what_lies_beside_the_slide_is_cut_off_with_a_word(threshold_model, saved, tmp_path):
    beside = annotation(square(2000, 0, 2100, 100), "beside")
    across = annotation(square(800, 0, 1000, 100), "across")
    with pytest.warns(UserWarning, match="--annotations") as heard:
        summary = run(saved, tmp_path, threshold_model, beside, across)
    lines = " ".join(str(w.message) for w in heard)
    assert "'beside' lies all outside the slide, which has 900 x 760 pixels" in lines
    assert "'across' lies 50 % outside" in lines
    first, second = summary["regions"][:2]
    assert (first["nuclei"], first["area_mm2"], first["density_per_mm2"]) == (0, 0, None)
    assert second["area_mm2"] == pytest.approx(100 * 100 * MPP**2 * 1e-6)
    assert len(summary["warnings"]) == 2


def test_annotations_of_another_slide_are_refused(threshold_model, saved, tmp_path):
    with pytest.raises(KaryoscopeError, match=r"--annotations .*drawn.json lies outside the slide"):
        run(saved, tmp_path, threshold_model, annotation(square(2000, 0, 2100, 100)))
    assert not list((tmp_path / "out").glob("a.*"))


def test_a_file_without_areas_is_a_warning(threshold_model, saved, tmp_path):
    point = {"type": "Point", "coordinates": [10, 10]}
    detection = annotation(square(0, 0, 9, 9), objectType="detection")
    with pytest.warns(UserWarning, match="--annotations") as heard:
        summary = run(saved, tmp_path, threshold_model, annotation(point), detection)
    lines = [str(w.message).split("drawn.json: ")[1] for w in heard]
    assert lines == [
        "holds 1 detections, which are no annotations: left out",
        "holds 1 points, lines or objects without an area: left out",
        "holds no annotation with an area",
    ]
    assert [row["kind"] for row in summary["regions"]] == ["outside", "all"]


def test_names_that_are_missing_or_given_twice(threshold_model, saved, tmp_path):
    boxes = [square(100 * k, 0, 100 * k + 90, 90) for k in range(5)]
    names = [("A", ""), ("A", "T"), ("", "T"), ("", ""), ("A (2)", "")]
    drawn = [annotation(b, *pair) for b, pair in zip(boxes, names, strict=True)]
    found = run(saved, tmp_path, threshold_model, *drawn)["regions"]
    assert [r["region"] for r in found[:5]] == ["A", "A (3)", "T 1", "annotation 1", "A (2)"]


def test_what_is_ignored_is_cut_out_of_the_others(threshold_model, saved, tmp_path):
    drawn = [
        annotation(square(0, 0, 400, 400), "whole"),
        annotation(square(0, 0, 400, 200), kind="Ignore*"),
    ]
    first, outside, _ = run(saved, tmp_path, threshold_model, *drawn)["regions"]
    assert first["area_mm2"] == pytest.approx(400 * 200 * MPP**2 * 1e-6)
    assert outside["area_mm2"] == pytest.approx((900 * 760 - 400 * 200) * MPP**2 * 1e-6)


def test_other_annotations_are_another_run(threshold_model, saved, tmp_path):
    first = run(saved, tmp_path, threshold_model, DRAWN[0])
    assert first["run"]["annotations"]["file"] == "drawn.json"
    with pytest.raises(KaryoscopeError, match="--overwrite"):
        run(saved, tmp_path, threshold_model, DRAWN[1])
    second = run(saved, tmp_path, threshold_model, DRAWN[1], overwrite=True)
    assert second["regions"][0]["region"] == "nest"
    assert second["nuclei"] == first["nuclei"], "nothing is left out for annotations"


@pytest.mark.parametrize("roi", [None, (100, 60, 500, 400)])
def test_annotations_that_are_drawn_later_give_the_same(threshold_model, saved, tmp_path, roi):
    drawn = write(tmp_path / "drawn.json", *DRAWN)
    options = SegmentOptions(("parquet",), mpp=MPP, roi=roi)
    segment_file(saved, tmp_path / "plain", threshold_model, options)
    there = SegmentOptions(("parquet",), mpp=MPP, roi=roi, annotations=drawn)
    first = segment_file(saved, tmp_path / "first", threshold_model, there)
    table, out = tmp_path / "plain" / "a.parquet", tmp_path / "later"
    add_features(table, out, ("shape",), ("parquet", "csv"), saved, annotations=drawn)
    later = json.loads((out / "a.summary.json").read_text("utf-8"))
    for row, other in zip(later["regions"], first["regions"], strict=True):
        for name in ("region", "class", "nuclei", "classes", "means", "nearest_um"):
            assert row[name] == other[name]
        for name in ("analysed_mm2", "tissue_mm2"):
            assert row[name] == pytest.approx(other[name], abs=1e-12)
    regions = (points_of(p)[1]["region"] for p in (out / "a.parquet", tmp_path / "first/a.parquet"))
    assert np.array_equal(*regions)
    # Drawn otherwise, on a table that has the column already.
    write(drawn, annotation(NESTED, "other"))
    add_features(out / "a.parquet", out, (), ("parquet",), saved, overwrite=True, annotations=drawn)
    assert set(points_of(out / "a.parquet")[1]["region"]) == {"other", ""}


def test_annotations_that_are_drawn_later_need_the_slide(threshold_model, saved, tmp_path):
    drawn = write(tmp_path / "drawn.json", *DRAWN)
    options = SegmentOptions(("parquet",), mpp=MPP, roi=drawn)
    segment_file(saved, tmp_path, threshold_model, options)
    table = tmp_path / "a.parquet"
    with pytest.raises(KaryoscopeError, match="--slide"):
        add_features(table, tmp_path / "out", (), annotations=drawn)
    with pytest.raises(KaryoscopeError, match="of an area that was drawn"):
        add_features(table, tmp_path / "out", (), slide=saved, annotations=drawn)
    assert not list((tmp_path / "out").glob("*"))
