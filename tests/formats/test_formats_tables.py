"""GeoParquet and the summary."""

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from rich.console import Console
from some_nuclei import make_nuclei, polygons_of

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.formats import (
    RunReport,
    iterate_parquet,
    read_context,
    read_parquet,
    summary_table,
)
from karyoscope.formats.summaries.summary import SummaryWriter
from karyoscope.formats.tables import parquet as parquet_module
from karyoscope.formats.tables.csv import CSVWriter
from karyoscope.formats.tables.parquet import ParquetWriter


def write(path, context, *blocks):
    with ParquetWriter(path, context) as writer:
        for block in blocks:
            writer.write(block)
    return path


def assert_equal(found, expected):
    assert found.taxonomy == expected.taxonomy
    assert found.mpp == expected.mpp
    for name in ("id", "class_id", "x", "y", "area_um2", "probabilities", "vertices", "offsets"):
        assert np.array_equal(getattr(found, name), getattr(expected, name)), name
    assert found.measurements.keys() == expected.measurements.keys()
    for name, column in expected.measurements.items():
        assert np.array_equal(found.measurements[name], column, equal_nan=True)


def test_a_class_without_nuclei_is_no_further_category(tmp_path, nuclei, context):
    classified = nuclei.take(nuclei.class_id > 0)
    table = pq.read_table(write(tmp_path / "a.parquet", context, classified))
    found = table["class"].combine_chunks().dictionary.to_pylist()
    assert set(found) <= set(context.taxonomy.names)
    none = replace(classified, class_id=np.where(classified.id % 2, 0, classified.class_id))
    table = pq.read_table(write(tmp_path / "b.parquet", context, none))
    assert "unclassified" in table["class"].combine_chunks().dictionary.to_pylist()
    assert_equal(read_parquet(tmp_path / "b.parquet"), none)


def test_read_parquet_gives_back_what_was_written(tmp_path, nuclei, context):
    assert_equal(read_parquet(write(tmp_path / "a.parquet", context, nuclei)), nuclei)
    empty = Nuclei.empty(context.taxonomy, context.mpp)
    assert_equal(read_parquet(write(tmp_path / "b.parquet", context)), empty)


def test_nuclei_without_probabilities(tmp_path, nuclei, context):
    bare = replace(nuclei, probabilities=np.zeros((len(nuclei), 0)), measurements={})
    assert_equal(read_parquet(write(tmp_path / "a.parquet", context, bare)), bare)


def test_rows_are_grouped_whatever_the_blocks(tmp_path, nuclei, context, monkeypatch):
    monkeypatch.setattr(parquet_module, "ROW_GROUP", 70)
    blocks = [nuclei.take(np.arange(i, i + 30)) for i in range(0, 300, 30)]
    path = write(tmp_path / "a.parquet", context, *blocks)
    groups = pq.ParquetFile(path).metadata.num_row_groups
    assert groups == 4
    assert_equal(read_parquet(path), nuclei)
    assert len(list(iterate_parquet(path))) > 1
    whole = write(tmp_path / "b.parquet", context, nuclei)
    assert_equal(read_parquet(whole), nuclei)


def _nan_in(name):
    def change(table):
        values = table[name].to_numpy().copy()
        values[0] = np.nan
        field = table.schema.field(name)
        return table.set_column(table.schema.names.index(name), field, [values])

    return change


def _with_classes(change):
    def renamed(table):
        place = table.schema.names.index("class")
        names = change(table["class"].to_pylist())
        return table.set_column(place, pa.field("class", pa.string()), [names])

    return renamed


def test_classes_may_be_plain_text(tmp_path, nuclei, context):
    path = write(tmp_path / "a.parquet", context, nuclei)
    pq.write_table(_with_classes(list)(pq.read_table(path)), path)
    assert_equal(read_parquet(path), nuclei)


def test_a_scale_that_is_none_is_refused(tmp_path, nuclei, context):
    path = write(tmp_path / "a.parquet", context, nuclei)
    table = pq.read_table(path)
    ours = json.loads(table.schema.metadata[b"karyoscope"])
    for mpp in (0, -0.5, float("nan"), None, []):
        header = {b"karyoscope": json.dumps(ours | {"mpp": mpp}).encode()}
        pq.write_table(table.replace_schema_metadata(header), path)
        with pytest.raises(KaryoscopeError, match="no table of nuclei"):
            read_parquet(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *((_nan_in(name), "a nucleus has no place or area") for name in ("x", "y", "area_um2")),
        (lambda table: pa.concat_tables([table, table]), "it holds nuclei twice"),
        (_with_classes(lambda names: [f"{name} cells" for name in names]), "none of its classes"),
    ],
)
def test_a_table_that_others_changed_is_refused(tmp_path, nuclei, context, change, words):
    path = write(tmp_path / "a.parquet", context, nuclei)
    pq.write_table(change(pq.read_table(path)), path)
    with pytest.raises(KaryoscopeError, match=words):
        read_parquet(path)


def test_geoparquet_metadata_and_geometry(tmp_path, nuclei, context):
    table = pq.read_table(write(tmp_path / "a.parquet", context, nuclei))
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo == {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Polygon"], "crs": None}},
    }
    assert table.schema.field("geometry").type == pa.binary()
    polygons = shapely.from_wkb(table["geometry"].to_numpy())
    expected = polygons_of(nuclei)
    assert shapely.equals_exact(polygons, expected).all()
    ours = json.loads(table.schema.metadata[b"karyoscope"])
    assert (ours["mpp"], ours["model"]["name"]) == (context.mpp, "lizard")
    assert ours["taxonomy"] == nuclei.taxonomy.to_dict()
    assert pa.types.is_dictionary(table.schema.field("class").type)


def test_geopandas_reads_it(tmp_path, nuclei, context):
    geopandas = pytest.importorskip("geopandas")
    frame = geopandas.read_parquet(write(tmp_path / "a.parquet", context, nuclei))
    assert frame.crs is None
    assert frame.geometry.is_valid.all()
    assert frame["class"].astype(str).tolist() == nuclei.class_names().tolist()


def test_files_of_others_are_refused_in_one_line(tmp_path, nuclei, context):
    with pytest.raises(KaryoscopeError, match="no file"):
        read_parquet(tmp_path / "absent.parquet")
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), other)
    damaged = write(tmp_path / "damaged.parquet", context, nuclei)
    damaged.write_bytes(damaged.read_bytes()[:1000])
    for path in (other, damaged):
        with pytest.raises(KaryoscopeError, match="no table of nuclei") as info:
            read_parquet(path)
        assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    "outline",
    [
        shapely.box(0, 0, 9, 9).difference(shapely.box(2, 2, 4, 4)).wkb,
        shapely.Point(1, 2).wkb,
        b"no geometry",
        None,
    ],
)
def test_outlines_that_are_no_polygon_of_one_ring_are_refused(tmp_path, nuclei, context, outline):
    path = write(tmp_path / "a.parquet", context, nuclei.take(np.arange(3)))
    table = pq.read_table(path)
    column = pa.array([outline, *table["geometry"].to_pylist()[1:]], pa.binary())
    place = table.schema.get_field_index("geometry")
    pq.write_table(table.set_column(place, "geometry", column), path)
    with pytest.raises(KaryoscopeError, match="its outlines are not"):
        read_parquet(path)


def summarise(folder, context, *blocks, tissue=None):
    with SummaryWriter(folder / "a.summary.json", context) as writer:
        for block in blocks:
            writer.write(block)
        warnings = ["one nucleus is larger than the context"]
        writer.finish(RunReport(None, {"inference": 1.23456}, warnings=warnings, tissue_mm2=tissue))
    return json.loads((folder / "a.summary.json").read_text(encoding="utf-8"))


def test_summary_numbers(tmp_path, nuclei, context):
    found = summarise(tmp_path, context, nuclei, tissue=0.05)
    assert found["nuclei"] == 300
    assert found["density_per_mm2"] == pytest.approx(300 / 0.05)
    assert found["seconds"] == {"inference": 1.235}
    assert found["warnings"]
    for row in found["classes"]:
        rows = nuclei.class_id == row["id"]
        assert row["count"] == rows.sum()
        # Rounded where it is shown and not before: 0.44995 would become 45.0 % otherwise.
        assert row["share"] == rows.sum() / 300
        assert row["density_per_mm2"] == pytest.approx(rows.sum() / 0.05)
        if row["count"]:
            assert row["mean_area_um2"] == pytest.approx(nuclei.area_um2[rows].mean(), abs=0.01)
        else:
            assert row["mean_area_um2"] is None
    assert sum(row["count"] for row in found["classes"]) == 300


def test_the_whole_image_is_analysed_unless_said_otherwise(tmp_path, context):
    found = summarise(tmp_path, replace(context, mpp_axes=(0.5, 0.25)))
    assert found["analysed_mm2"] == pytest.approx(600 * 0.5 * 400 * 0.25 * 1e-6)
    assert found["nuclei"] == 0
    assert found["density_per_mm2"] is None, "the tissue is not known"
    assert {row["share"] for row in found["classes"]} == {None}


def test_no_tissue_has_no_density(tmp_path, context):
    assert summarise(tmp_path, context, tissue=0.0)["density_per_mm2"] is None
    assert summarise(tmp_path, context, tissue=0.5)["density_per_mm2"] == 0


@pytest.mark.parametrize("count", [0, 40])
def test_printed_table(tmp_path, context, count):
    found = summarise(tmp_path, context, make_nuclei(count))
    out = io.StringIO()
    Console(file=out, width=100).print(summary_table(found))
    text = out.getvalue()
    for word in ("epithelial", "share", "per mm²", "mean area µm²", "slide é.svs"):
        assert word in text
    assert f" {count} " in text


def test_a_table_without_rows_has_the_further_columns(tmp_path, context):
    context = replace(context, measurements=("solidity", "nearest_um"))
    found = read_parquet(write(tmp_path / "a.parquet", context))
    assert list(found.measurements) == ["solidity", "nearest_um"]
    assert len(found) == 0
    with CSVWriter(tmp_path / "a.csv", context):
        pass
    (header,) = (tmp_path / "a.csv").read_text("utf-8").splitlines()
    assert header.split(",") == list(found.columns())


def test_the_context_comes_back(tmp_path, nuclei, context):
    context = replace(context, mpp_axes=(0.5, 0.25))
    found = read_context(write(tmp_path / "a.parquet", context, nuclei))
    assert found == replace(context, read=None, page=None)
    assert found.uuid(7) == context.uuid(7)
