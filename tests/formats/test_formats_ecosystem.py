"""Each further format, read by the library that its users use."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import cv2
import numpy as np
import pytest
import shapely
from some_nuclei import make_nuclei, polygons_of, read_plain

from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import WRITERS, ExportContext
from karyoscope.formats.images import ngff
from karyoscope.formats.scverse import anndata as layout


def export(folder, name, context, *blocks):
    path = folder / f"slide{WRITERS[name].suffix}"
    with WRITERS[name](path, context) as writer:
        for block in blocks:
            writer.write(block)
    return path


def thirds(nuclei):
    return [nuclei.take(np.arange(i, i + 100)) for i in range(0, 300, 100)]


def test_anndata_reads_h5ad(tmp_path, nuclei, context, monkeypatch):
    anndata = pytest.importorskip("anndata")
    # Chunks smaller than the table, so that rows wait and are written in parts.
    monkeypatch.setattr(layout, "ROWS", 64)
    table = anndata.read_h5ad(export(tmp_path, "h5ad", context, *thirds(nuclei)))
    assert table.obs_names.tolist() == [str(i) for i in nuclei.id]
    assert table.obs["class"].tolist() == nuclei.class_names().tolist()
    assert table.obs["class"].cat.categories.tolist()[:6] == list(nuclei.taxonomy.names)
    assert table.var_names.tolist()[0] == "area_um2"
    assert np.array_equal(table[:, "area_um2"].X.ravel(), nuclei.area_um2)
    probabilities = table.obsm["probabilities"]
    assert list(probabilities) == list(nuclei.taxonomy.names)
    assert np.array_equal(probabilities["plasma"], nuclei.probabilities[:, 3])
    assert table.var_names.tolist() == ["area_um2", "eccentricity"]
    assert np.array_equal(table.obsm["spatial"], np.stack([nuclei.x, nuclei.y], 1))
    assert table.uns["class_colors"][0] == "#{:02x}{:02x}{:02x}".format(
        *nuclei.taxonomy.classes[0].color
    )
    assert json.loads(table.uns["karyoscope"])["slide"] == context.slide


def test_anndata_reads_no_nuclei(tmp_path, context):
    anndata = pytest.importorskip("anndata")
    table = anndata.read_h5ad(export(tmp_path, "h5ad", context))
    assert table.shape == (0, 1)
    assert table.obsm["probabilities"].shape == (0, 6)


def test_h5ad_has_the_slide_where_squidpy_looks_for_it(tmp_path, nuclei, context):
    h5py = pytest.importorskip("h5py")
    marked = np.full((400, 600, 3), 200, np.uint8)
    marked[100:200, 300:400] = 0

    def read(x, y, width, height, mpp):
        shape = (width, height)
        return marked if mpp is None else cv2.resize(marked, shape, interpolation=cv2.INTER_AREA)

    # Of a part of the slide, too, the whole is shown: positions are those of the whole.
    part = replace(context, read=read, shown=(50, 50, 100, 100), slide="a/b.svs")
    with h5py.File(export(tmp_path, "h5ad", part, nuclei)) as file:
        (library,) = file["uns/spatial"]
        assert library == "a_b.svs"
        spatial = file["uns/spatial"][library]
        scales = {name: value[()] for name, value in spatial["scalefactors"].items()}
        assert scales == {
            "spot_diameter_fullres": 16,
            "tissue_hires_scalef": 1,
            "tissue_lowres_scalef": 1,
        }
        picture = spatial["images/hires"][:]
        assert spatial["images/hires"].attrs["encoding-type"] == "array"
    x, y = 350, 150
    assert picture.shape == (400, 600, 3)
    assert picture[y, x].tolist() == [0, 0, 0]
    assert picture[y, x + 60].tolist() == [200, 200, 200]


def test_squidpy_draws_nuclei_on_the_slide(tmp_path, nuclei, context):
    squidpy = pytest.importorskip("squidpy")
    anndata = pytest.importorskip("anndata")
    table = anndata.read_h5ad(export(tmp_path, "h5ad", context, nuclei))
    axes = squidpy.pl.spatial_scatter(table, color="class", return_ax=True)
    assert axes.get_xlim() == pytest.approx((0, 600), abs=1)


def test_scanpy_works_on_h5ad(tmp_path, nuclei, context):
    scanpy = pytest.importorskip("scanpy")
    measured = {f"feature_{k}": np.random.default_rng(k).random(300) for k in range(4)}
    nuclei = replace(nuclei, measurements=measured)
    table = scanpy.read_h5ad(export(tmp_path, "h5ad", context, nuclei))
    scanpy.pp.pca(table, n_comps=3)
    assert table.obsm["X_pca"].shape == (300, 3)


def test_spatialdata_reads_shapes_and_table(tmp_path, nuclei, context, monkeypatch):
    spatialdata = pytest.importorskip("spatialdata")
    from spatialdata.transformations import get_transformation

    monkeypatch.setattr(layout, "ROWS", 64)
    context = replace(context, mpp_axes=(0.5, 0.25))
    data = spatialdata.read_zarr(export(tmp_path, "spatialdata", context, *thirds(nuclei)))
    shapes = data["nuclei"]
    assert shapes.index.tolist() == nuclei.id.tolist()
    assert shapely.equals_exact(shapes.geometry.to_numpy(), polygons_of(nuclei)).all()
    assert set(data.coordinate_systems) == {"global", "micrometers"}
    scale = get_transformation(shapes, "micrometers").to_affine_matrix(("x", "y"), ("x", "y"))
    assert np.allclose(scale, np.diag([0.5, 0.25, 1]))
    _, table = spatialdata.join_spatialelement_table(
        sdata=data, spatial_element_names="nuclei", table_name="nuclei_table", how="inner"
    )
    assert table.n_obs == len(nuclei)
    assert table.obs["class"].tolist() == nuclei.class_names().tolist()
    # Its own copy can be written and read again.
    data.write(tmp_path / "copy.zarr")
    assert len(spatialdata.read_zarr(tmp_path / "copy.zarr")["nuclei"]) == len(nuclei)


def test_spatialdata_reads_no_nuclei(tmp_path, context):
    spatialdata = pytest.importorskip("spatialdata")
    data = spatialdata.read_zarr(export(tmp_path, "spatialdata", context))
    assert [name for _, name, _ in data.gen_elements()] == ["slide", "nuclei_labels"]
    levels = data["nuclei_labels"].values()
    assert len(levels) == 2
    assert not any(np.asarray(level["image"]).any() for level in levels)


def test_spatialdata_has_the_slide_and_the_label_image(tmp_path):
    spatialdata = pytest.importorskip("spatialdata")
    from spatialdata.transformations import get_transformation

    nuclei = make_nuclei(4000, width=4500, height=1300)
    context = ExportContext("s", (4501, 1303), 0.5, nuclei.taxonomy, read=read_plain)
    data = spatialdata.read_zarr(export(tmp_path, "spatialdata", context, nuclei))
    labels = data["nuclei_labels"]
    full = nuclei.label_image(4501, 1303)
    assert list(labels) == ["scale0", "scale1", "scale2", "scale3"]
    for k in range(4):
        level = np.asarray(labels[f"scale{k}"]["image"])
        assert np.array_equal(level, full[: level.shape[0], : level.shape[1]])
        full = full[::2, ::2]
    picture = data["slide"]
    assert [level["image"].shape for level in picture.values()] == [(3, 652, 2251), (3, 326, 1125)]
    to_global = get_transformation(picture).to_affine_matrix(("x", "y"), ("x", "y"))
    assert np.allclose(to_global, np.diag([2, 2, 1]))
    to_um = get_transformation(labels, "micrometers").to_affine_matrix(("x", "y"), ("x", "y"))
    assert np.allclose(to_um, np.diag([0.5, 0.5, 1]))


def test_spatialdata_raster_elements_without_its_library(tmp_path, nuclei, context):
    zarr = pytest.importorskip("zarr")
    root = zarr.open_group(str(export(tmp_path, "spatialdata", context, nuclei)), mode="r")
    assert np.array_equal(root["labels/nuclei_labels/s0"][:], nuclei.label_image(600, 400))
    picture = root["images/slide/s0"][:]
    assert np.array_equal(np.moveaxis(picture, 0, -1), read_plain(0, 0, 600, 400, None))
    half = np.moveaxis(root["images/slide/s1"][:], 0, -1).astype(float)
    four = np.moveaxis(picture, 0, -1).reshape(200, 2, 300, 2, 3).mean(axis=(1, 3))
    assert np.abs(half - four).max() <= 0.5
    (multiscale,) = root["images/slide"].attrs["ome"]["multiscales"]
    outputs = [t["output"]["name"] for t in multiscale["coordinateTransformations"]]
    assert outputs == ["global", "micrometers"]
    assert root["labels"].attrs["ome"]["labels"] == ["nuclei_labels"]


def test_tiatoolbox_opens_the_annotation_store(tmp_path, nuclei, context, monkeypatch):
    storage = pytest.importorskip("tiatoolbox.annotation.storage")
    # It asks how SQLite was built in a way that not every Python allows.
    options = staticmethod(lambda: ["ENABLE_RTREE", "ENABLE_MATH_FUNCTIONS"])
    monkeypatch.setattr(storage.SQLiteStore, "compile_options", options)
    store = storage.SQLiteStore(export(tmp_path, "annotationstore", context, *thirds(nuclei)))
    assert len(store) == len(nuclei)
    by_id = {a.properties["id"]: a for a in store.values()}
    polygons = polygons_of(nuclei)
    for row, nucleus_id in enumerate(nuclei.id.tolist()):
        found = by_id[nucleus_id]
        assert found.geometry.equals_exact(polygons[row], 0)
        assert found.properties["type"] == nuclei.class_names()[row]
        assert found.properties["prob"] == pytest.approx(nuclei.probabilities[row].max(), abs=1e-4)
    box = (100, 100, 200, 180)
    expected = shapely.intersects(polygons, shapely.box(*box)).sum()
    assert len(store.query(box)) == expected > 0
    plasma = (nuclei.class_names() == "plasma").sum()
    assert len(store.query(where="props['type'] == 'plasma'")) == plasma
    store.close()


def test_annotation_store_bounds_and_properties(tmp_path, nuclei, context):
    path = export(tmp_path, "annotationstore", context, nuclei)
    with closing(sqlite3.connect(path)) as connection:
        metadata = dict(connection.execute("SELECT key, value FROM metadata"))
        rows = connection.execute(
            "SELECT annotations.id, min_x, max_x, min_y, max_y, geometry, properties, area"
            " FROM annotations JOIN rtree USING (id)"
        ).fetchall()
    assert json.loads(metadata["version"]) == "1.0.1"
    assert json.loads(metadata["compression"]) is None
    assert len(rows) == len(nuclei)
    for _, min_x, max_x, min_y, max_y, geometry, properties, _ in rows:
        x0, y0, x1, y1 = shapely.from_wkb(geometry).bounds
        assert min_x <= x0 < min_x + 1
        assert min_y <= y0 < min_y + 1
        assert max_x - 1 < x1 <= max_x
        assert max_y - 1 < y1 <= max_y
        assert "eccentricity" in json.loads(properties)


def test_ome_zarr_has_the_labels_at_every_level(tmp_path):
    zarr = pytest.importorskip("zarr")
    nuclei = make_nuclei(4000, width=4500, height=1300)
    context = ExportContext("s", (4501, 1303), 0.5, nuclei.taxonomy, mpp_axes=(0.5, 0.25))
    path = export(tmp_path, "ome-zarr", context, nuclei)
    root = zarr.open_group(str(path), mode="r")
    (multiscales,) = root.attrs["multiscales"]
    full = nuclei.label_image(4501, 1303)
    assert len(multiscales["datasets"]) == 4
    for k, dataset in enumerate(multiscales["datasets"]):
        labels = root[dataset["path"]][:]
        assert np.array_equal(labels, full[: labels.shape[0], : labels.shape[1]])
        (transformation,) = dataset["coordinateTransformations"]
        assert transformation == {"type": "scale", "scale": [0.25 * 2**k, 0.5 * 2**k]}
        full = full[::2, ::2]


def test_ome_zarr_names_and_colours_every_nucleus(tmp_path, nuclei, context, monkeypatch):
    zarr = pytest.importorskip("zarr")
    path = export(tmp_path, "ome-zarr", context, *thirds(nuclei))
    label = zarr.open_group(str(path), mode="r").attrs["image-label"]
    names = {e["label-value"]: e["class"] for e in label["properties"]}
    assert names == dict(zip(nuclei.id.tolist(), nuclei.class_names().tolist(), strict=True))
    colors = {e["label-value"]: e["rgba"] for e in label["colors"]}
    for number, kind in zip(nuclei.id.tolist(), nuclei.class_id.tolist(), strict=True):
        assert colors[number] == [*nuclei.taxonomy.by_id(kind).color, 255]
    # More than a viewer can open are named in the table alone.
    monkeypatch.setattr(ngff, "MOST_NAMED", len(nuclei) - 1)
    (tmp_path / "many").mkdir()
    many = export(tmp_path / "many", "ome-zarr", context, nuclei)
    assert zarr.open_group(str(many), mode="r").attrs["image-label"] == {"version": "0.4"}
    assert len((tmp_path / "many" / "slide.labels.csv").read_text("utf-8").splitlines()) == 301


def test_ome_zarr_library_reads_it(tmp_path, nuclei, context):
    pytest.importorskip("ome_zarr")
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Label, Reader

    location = parse_url(export(tmp_path, "ome-zarr", context, nuclei))
    node = next(iter(Reader(location)()))
    assert any(isinstance(spec, Label) for spec in node.specs)
    assert np.array_equal(np.asarray(node.data[0]), nuclei.label_image(600, 400))
    first = int(nuclei.id[0])
    kind = nuclei.taxonomy.by_id(int(nuclei.class_id[0]))
    assert node.metadata["color"][first] == [part / 255 for part in (*kind.color, 255)]
    assert node.metadata["properties"][first] == {"class": kind.name}


def test_gdal_takes_geojson_for_plane_pixels(tmp_path, nuclei, context):
    geopandas = pytest.importorskip("geopandas")
    large = nuclei.shift(90_000, 70_000)
    frame = geopandas.read_file(export(tmp_path, "geojson", context, large))
    assert frame.crs.is_engineering
    assert [axis.unit_name for axis in frame.crs.axis_info] == ["pixel", "pixel"]
    assert np.allclose(frame.area, shapely.area(polygons_of(large)), rtol=0.01)
    assert not frame.crs.is_geographic


def test_hovernet_pixels_are_those_of_the_labels(tmp_path, nuclei, context):
    data = json.loads(export(tmp_path, "hovernet", context, nuclei).read_text("utf-8"))
    assert data["mag"] is None
    labels = nuclei.label_image(600, 400)
    for row, nucleus_id in enumerate(nuclei.id.tolist()):
        found = data["nuc"][str(nucleus_id)]
        (top, left), (bottom, right) = found["bbox"]
        rows, columns = np.nonzero(labels == nucleus_id)
        assert [top, left, bottom, right] == [
            rows.min(),
            columns.min(),
            rows.max() + 1,
            columns.max() + 1,
        ]
        drawn = np.zeros_like(labels, np.uint8)
        cv2.drawContours(drawn, [np.array(found["contour"], np.int32)], -1, 1, -1)
        mask = labels == nucleus_id
        assert (drawn[mask] == 1).mean() > 0.8
        assert found["centroid"] == pytest.approx([nuclei.x[row] - 0.5, nuclei.y[row] - 0.5])
        assert found["type"] == nuclei.class_id[row]
        if found["type"]:
            own = nuclei.probabilities[row, found["type"] - 1]
            assert found["type_prob"] == pytest.approx(own, abs=5e-5)


def test_hovernet_keeps_nuclei_smaller_than_a_pixel(tmp_path, nuclei, context):
    tiny = replace(
        nuclei.take([0]),
        x=np.array([10.2]),
        y=np.array([20.9]),
        vertices=np.array([[10.1, 20.8], [10.3, 20.8], [10.2, 20.98]]),
        offsets=np.array([0, 3]),
        probabilities=np.zeros((1, 0)),
    )
    (found,) = json.loads(export(tmp_path, "hovernet", context, tiny).read_text("utf-8"))[
        "nuc"
    ].values()
    assert found["bbox"] == [[20, 10], [21, 11]]
    assert found["contour"] == [[10, 20]]
    assert found["type_prob"] is None


def test_conic_arrays(tmp_path, nuclei, context):
    path = export(tmp_path, "conic", context, *thirds(nuclei))
    pair = np.load(path)
    assert pair.shape == (1, 400, 600, 2)
    assert pair.dtype == np.int32
    labels = nuclei.label_image(600, 400)
    assert np.array_equal(pair[0, ..., 0], labels)
    classes = np.zeros(nuclei.id.max() + 1, int)
    classes[nuclei.id] = nuclei.class_id
    assert np.array_equal(pair[0, ..., 1], classes[labels])
    header, counts = (tmp_path / "slide.conic.csv").read_text("utf-8").splitlines()
    assert header.split(",") == list(nuclei.taxonomy.names)
    assert [int(c) for c in counts.split(",")] == [
        (nuclei.class_id == i).sum() for i in nuclei.taxonomy.ids
    ]


def test_conic_is_not_for_slides(tmp_path, nuclei, context):
    with pytest.raises(KaryoscopeError, match="use the format 'labels'"):
        export(tmp_path, "conic", replace(context, size=(60_000, 50_000)), nuclei)
    assert list(tmp_path.iterdir()) == []
