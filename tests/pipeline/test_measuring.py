"""Features on their way to the files: the same however the work is cut, and added later."""

import csv
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.features import GROUPS, feature_columns
from karyoscope.formats import ExportContext, read_parquet
from karyoscope.formats.tables import parquet
from karyoscope.pipeline import Layout, Progress, SegmentOptions, area_of, segment_file
from karyoscope.pipeline.measures.measuring import Measure, Measuring, add_features
from karyoscope.pipeline.stream.blocks import stream_nuclei
from karyoscope.slides import open_slide

MPP = 0.499
ALL = tuple(GROUPS)


class Collecting:
    """Keeps what it is given."""

    def __init__(self):
        self.blocks = []
        self.finished = False

    def write(self, nuclei):
        self.blocks.append(nuclei)

    def finish(self):
        self.finished = True


def measured(slide, model, tmp_path, cuts) -> Nuclei:
    area = area_of(slide, model.mpp)
    layout = Layout(
        area.grid.width, area.grid.height, model.context, margin=264, largest=448, cuts=cuts
    )
    context = ExportContext("tissue", slide.size, slide.mpp, model.taxonomy)
    sink = Collecting()
    measure = Measure(ALL, context, slide)
    with Measuring(sink, measure, tmp_path / "spool.parquet", context) as measuring:
        for nuclei in stream_nuclei(slide, model, layout, area, Progress()):
            measuring.write(nuclei)
        measuring.finish()
    assert sink.finished
    assert list(tmp_path.iterdir()) == []
    return Nuclei.concat([n for n in sink.blocks if len(n)])


def test_features_do_not_depend_on_how_the_slide_is_cut(threshold_model, tissue, tmp_path):
    with open_slide(tissue, MPP) as slide:
        whole = measured(slide, threshold_model, tmp_path, ((0, 900), (0, 760)))
        cut = measured(slide, threshold_model, tmp_path, ((0, 130, 333, 900), (0, 301, 560, 760)))
    assert len(whole) == len(cut) > 500
    names = [f.name for f in feature_columns(ALL, threshold_model.taxonomy)]
    assert list(whole.measurements) == list(cut.measurements) == names
    order = [np.lexsort((n.x, n.y)) for n in (whole, cut)]
    for name in names:
        first, second = (n.measurements[name][o] for n, o in zip((whole, cut), order, strict=True))
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.fixture
def saved(tmp_path, tissue):
    path = tmp_path / "tissue.tif"
    tifffile.imwrite(path, tissue[:400, :500], photometric="rgb")
    return path


def run(path, out, model, features, formats=("parquet", "csv")) -> Nuclei:
    options = SegmentOptions(formats, mpp=MPP, features=features)
    segment_file(path, out, model, options)
    return read_parquet(out / "tissue.parquet")


def test_added_later_they_are_the_same(threshold_model, saved, tmp_path):
    at_once = run(saved, tmp_path / "once", threshold_model, ALL)
    run(saved, tmp_path / "later", threshold_model, ())
    table = tmp_path / "later" / "tissue.parquet"
    assert list(read_parquet(table).measurements) == []
    made = add_features(table, tmp_path / "new", ALL, ("parquet", "csv"), saved)
    assert {p.name for p in made} == {"tissue.parquet", "tissue.csv", "tissue.summary.json"}
    later = read_parquet(tmp_path / "new" / "tissue.parquet")
    assert list(later.measurements) == list(at_once.measurements)
    for name, column in at_once.measurements.items():
        np.testing.assert_array_equal(later.measurements[name], column, err_msg=name)
    texts = [(tmp_path / f / "tissue.csv").read_text("utf-8") for f in ("once", "new")]
    assert texts[0] == texts[1]
    summaries = [
        json.loads((tmp_path / f / "tissue.summary.json").read_text("utf-8"))
        for f in ("later", "new")
    ]
    for name in ("nuclei", "analysed_mm2", "run", "seconds", "warnings"):
        assert summaries[0][name] == summaries[1][name]
    assert summaries[0]["density_per_mm2"] == pytest.approx(
        summaries[1]["density_per_mm2"], rel=1e-4
    )


def test_in_place_it_needs_to_be_said(threshold_model, saved, tmp_path):
    out = tmp_path / "out"
    run(saved, out, threshold_model, ("shape",), ("parquet",))
    table = out / "tissue.parquet"
    with pytest.raises(KaryoscopeError, match="--overwrite"):
        add_features(table, out, ["neighbours"])
    add_features(table, out, ["neighbours"], overwrite=True)
    assert list(read_parquet(table).measurements) == [
        f.name for f in feature_columns(("shape", "neighbours"), threshold_model.taxonomy)
    ]
    assert sorted(p.name for p in out.iterdir()) == ["tissue.parquet", "tissue.summary.json"]


def test_shape_is_there_unless_nothing_is_asked_for(threshold_model, saved, tmp_path):
    segment_file(saved, tmp_path / "out", threshold_model, SegmentOptions(("csv",), mpp=MPP))
    with (tmp_path / "out" / "tissue.csv").open() as file:
        row = next(csv.DictReader(file))
    assert [f.name for f in GROUPS["shape"].columns] == list(row)[-7:]


def test_a_slide_without_nuclei_has_the_columns(threshold_model, tmp_path):
    path = tmp_path / "tissue.tif"
    tifffile.imwrite(path, np.full((200, 300, 3), 255, np.uint8), photometric="rgb")
    found = run(path, tmp_path / "out", threshold_model, ALL)
    assert len(found) == 0
    assert list(found.measurements) == [
        f.name for f in feature_columns(ALL, threshold_model.taxonomy)
    ]
    add_features(tmp_path / "out" / "tissue.parquet", tmp_path / "new", ["shape"])


def test_what_cannot_be_measured_is_one_line(threshold_model, saved, tmp_path):
    run(saved, tmp_path, threshold_model, (), ("parquet",))
    table = tmp_path / "tissue.parquet"
    out = Path(tmp_path / "new")
    with pytest.raises(KaryoscopeError, match=r"no feature group 'colour'; there are .*neighbours"):
        add_features(table, out, ["colour"])
    with pytest.raises(KaryoscopeError, match="--slide"):
        add_features(table, out, ["stain"])
    with pytest.raises(KaryoscopeError, match="the radius is a length"):
        add_features(table, out, ["neighbours"], radius_um=-1)
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.zeros((30, 40, 3), np.uint8), photometric="rgb")
    with pytest.raises(KaryoscopeError, match="40 x 30 pixels"):
        add_features(table, out, ["stain"], slide=other)
    assert not out.exists()


def test_columns_are_those_that_a_group_declares(threshold_model, saved, tmp_path, monkeypatch):
    run(saved, tmp_path, threshold_model, (), ("parquet",))
    group = replace(GROUPS["shape"], columns=GROUPS["shape"].columns[:1])
    monkeypatch.setitem(GROUPS, "shape", group)
    with pytest.raises(KaryoscopeError, match="declares the columns perimeter_um, but measured"):
        add_features(tmp_path / "tissue.parquet", tmp_path / "new", ["shape"])


class Forgetting:
    """Takes blocks and keeps none."""

    def write(self, nuclei):
        assert list(nuclei.measurements)[-1].startswith("density_")

    def finish(self):
        pass


@pytest.mark.slow
def test_of_all_nuclei_only_the_centroids_are_kept(threshold_model, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 1000)
    count, corners = 500, 40
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    x, y = np.arange(count) % 25 * 20.0, np.arange(count) // 25 * 20.0
    ring = 6 * np.stack([np.cos(angle), np.sin(angle)], 1)
    block = Nuclei(
        threshold_model.taxonomy,
        0.5,
        np.arange(1, count + 1),
        np.ones(count),
        x,
        y,
        np.full(count, 28.0),
        np.zeros((count, 2)),
        (np.stack([x, y], 1)[:, None] + ring).reshape(-1, 2),
        np.arange(count + 1) * corners,
    )

    def most(blocks: int) -> int:
        context = ExportContext("s", (500, 400 * blocks), 0.5, threshold_model.taxonomy)
        measure = Measure(("shape", "neighbours"), context)
        arrow, peak = pa.default_memory_pool(), 0
        tracemalloc.start()
        with Measuring(Forgetting(), measure, tmp_path / "spool.parquet", context) as measuring:
            for i in range(blocks):
                measuring.write(block.shift(0, 400 * i).renumber(1 + count * i))
                peak = max(peak, arrow.bytes_allocated())
            measuring.finish()
        peak += tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(2)  # compiles
    # The nuclei of the further 90 blocks are 20 MB, their centroids 45,000 x 35 bytes.
    assert most(100) - most(10) < 4e6
