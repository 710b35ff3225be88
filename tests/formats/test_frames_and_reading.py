"""Nuclei as tables of other libraries, and saved and read again by the name of the file."""

import json

import numpy as np
import pytest
import shapely
from some_nuclei import polygons_of

import karyoscope
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.formats import WRITERS
from karyoscope.formats.rounding import rounded

IMAGE = np.full((400, 600, 3), 200, np.uint8)


def test_a_data_frame_has_the_columns_of_the_files(nuclei):
    pytest.importorskip("pandas")
    frame = nuclei.to_dataframe()
    columns = nuclei.columns()
    assert list(frame) == list(columns)
    for name, column in columns.items():
        assert np.array_equal(frame[name].to_numpy(), column, equal_nan=column.dtype.kind == "f")
    assert list(frame["class"].cat.categories) == [*nuclei.taxonomy.names, "unclassified"]
    assert len(Nuclei.empty(nuclei.taxonomy, 0.5).to_dataframe()) == 0


def test_a_geo_data_frame_has_the_outlines(nuclei):
    pytest.importorskip("geopandas")
    frame = nuclei.to_geopandas()
    assert frame.crs is None
    assert shapely.equals_exact(frame.geometry.to_numpy(), polygons_of(nuclei)).all()
    in_um = nuclei.scale(1.0).to_geopandas()
    assert np.allclose(in_um.area, frame.area * nuclei.mpp**2, rtol=1e-4)


def test_anndata_is_what_the_format_holds(tmp_path, nuclei):
    anndata = pytest.importorskip("anndata")
    table = nuclei.to_anndata(IMAGE)
    path = nuclei.save(tmp_path / "a.h5ad", IMAGE)
    written = anndata.read_h5ad(path)
    assert table.obs["class"].tolist() == written.obs["class"].tolist()
    assert table.var_names.tolist() == written.var_names.tolist()
    assert np.array_equal(table.X, written.X, equal_nan=True)
    assert np.array_equal(table.obsm["spatial"], written.obsm["spatial"])
    assert table.obsm["probabilities"].equals(written.obsm["probabilities"])
    assert list(table.uns["class_colors"]) == list(written.uns["class_colors"])
    (own,), (other,) = table.uns["spatial"].values(), written.uns["spatial"].values()
    assert np.array_equal(own["images"]["hires"], other["images"]["hires"])
    assert own["scalefactors"] == other["scalefactors"]
    assert "spatial" not in nuclei.to_anndata().uns


def assert_same(found: Nuclei, nuclei: Nuclei, places: float = 0) -> None:
    assert found.taxonomy == nuclei.taxonomy
    assert found.mpp == nuclei.mpp
    for name, column in nuclei.columns().items():
        other = found.columns()[name]
        if name in ("x", "y"):
            assert np.allclose(other, column, rtol=0, atol=places)
        else:
            assert np.array_equal(other, column, equal_nan=column.dtype.kind == "f"), name
    assert np.array_equal(found.offsets, nuclei.offsets)
    assert np.allclose(found.vertices, nuclei.vertices, rtol=0, atol=0.00501)


@pytest.mark.parametrize("end", [".parquet", ".spatialdata.zarr"])
def test_saved_nuclei_are_read_again_exactly(tmp_path, nuclei, end):
    if end == ".spatialdata.zarr":
        pytest.importorskip("zarr")
    path = nuclei.save(tmp_path / f"a{end}", IMAGE)
    found = karyoscope.read(path)
    assert_same(found, nuclei)
    assert np.array_equal(found.vertices, nuclei.vertices)


@pytest.mark.parametrize("end", [".geojson", ".geojson.gz", ".GeoJSON"])
def test_geojson_is_read_again_to_its_digits(tmp_path, nuclei, end):
    path = nuclei.save(tmp_path / f"a{end}")
    found = karyoscope.read(path)
    polygons = polygons_of(nuclei)
    centres = shapely.get_coordinates(shapely.centroid(polygons))
    assert np.allclose(np.stack([found.x, found.y], 1), centres, rtol=0, atol=0.01)
    # Rings are written counterclockwise, so that some are turned round.
    assert shapely.area(shapely.symmetric_difference(polygons_of(found), polygons)).max() < 0.5
    for name, column in rounded(nuclei).columns().items():
        if name not in ("x", "y"):
            other = found.columns()[name]
            if column.dtype.kind == "f":
                assert np.array_equal(other, column.astype(np.float32), equal_nan=True), name
            else:
                assert np.array_equal(other, column), name
    assert (found.taxonomy, found.mpp) == (nuclei.taxonomy, nuclei.mpp)


def test_geojson_of_qupath_needs_the_size_of_its_pixels(tmp_path, nuclei):
    path = nuclei.save(tmp_path / "a.geojson")
    data = json.loads(path.read_text("utf-8"))
    # QuPath keeps the objects, and nothing of the collection.
    data = {"type": "FeatureCollection", "features": data["features"]}
    drawn = {"objectType": "annotation", "name": "Tumour"}
    box = shapely.box(0, 0, 9, 9).__geo_interface__
    data["features"].append({"type": "Feature", "geometry": box, "properties": drawn})
    path.write_text(json.dumps(data))
    with pytest.raises(KaryoscopeError, match="does not state the size of its pixels"):
        karyoscope.read(path)
    found = karyoscope.read(path, mpp=0.25)
    assert len(found) == len(nuclei)
    assert found.id.tolist() == nuclei.id.tolist()
    assert found.mpp == 0.25
    assert found.class_names().tolist() == nuclei.class_names().tolist()
    as_lizard = karyoscope.read(path, mpp=0.25, taxonomy="lizard")
    assert as_lizard.class_id.tolist() == nuclei.class_id.tolist()


def test_the_parquet_of_a_slide_is_found_by_its_stem(tmp_path, nuclei):
    nuclei.save(tmp_path / "slide.parquet")
    assert_same(karyoscope.read(tmp_path / "slide"), nuclei)


@pytest.mark.parametrize("name", list(WRITERS))
def test_every_format_is_saved_by_its_suffix(tmp_path, name, nuclei):
    writer = WRITERS[name]
    if writer.needs:
        pytest.importorskip(writer.needs[1])
    path = tmp_path / f"a{writer.suffix}"
    assert nuclei.save(path, IMAGE) == path
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in writer.paths(path)}


def test_saving_refuses_in_one_line(tmp_path, nuclei):
    with pytest.raises(KaryoscopeError, match=r"end in \.geojson, "):
        nuclei.save(tmp_path / "a.xyz")
    path = nuclei.save(tmp_path / "a.csv")
    with pytest.raises(KaryoscopeError, match=r"a\.csv exists; use .*overwrite"):
        nuclei.save(path)
    assert nuclei[:2].save(path, overwrite=True) == path
    assert len(path.read_text("utf-8").splitlines()) == 3


@pytest.mark.parametrize("name", ["absent.parquet", "a.csv", "a.geojson", "folder"])
def test_what_cannot_be_read_is_one_line(tmp_path, name):
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "a.geojson").write_text('{"type": "Feature", "geometry": null}')
    (tmp_path / "folder").mkdir()
    with pytest.raises(KaryoscopeError) as info:
        karyoscope.read(tmp_path / name, mpp=0.5)
    assert "\n" not in str(info.value)
