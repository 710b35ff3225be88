"""Files as layers of napari, without napari."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile

from karyoscope import KaryoscopeError
from karyoscope.formats import read_parquet
from karyoscope.napari_plugin import layers, reader, table

STEM = "CMU-1-Small-Region"


def read(path):
    (layer,) = reader.get_reader(str(path))(str(path))
    return layer


@pytest.fixture(scope="module")
def nuclei(results):
    return read_parquet(results / f"{STEM}.parquet")


@pytest.mark.parametrize("suffix", [".labels.tif", ".labels.ome.zarr"])
def test_label_images_have_classes_colours_and_features(results, nuclei, suffix):
    data, settings, kind = read(results / (STEM + suffix))
    assert kind == "labels"
    assert settings["name"] == f"{STEM} nuclei"
    assert not settings["multiscale"]
    shown = np.asarray(data)
    assert set(np.unique(shown)) - {0} == set(nuclei.id.tolist())
    features = settings["features"]
    assert features["index"].tolist() == nuclei.id.tolist()
    assert features["class"].tolist() == nuclei.class_names().tolist()
    np.testing.assert_array_equal(features["area_um2"], nuclei.area_um2)
    for number, kind_of_it in zip(nuclei.id.tolist(), nuclei.class_id.tolist(), strict=True):
        color = nuclei.taxonomy.by_id(kind_of_it).color
        np.testing.assert_allclose(settings["colormap"][number], (*np.array(color) / 255, 1), 1e-6)
    assert settings["colormap"][0][3] == 0


@pytest.mark.parametrize("suffix", [".parquet", ".geojson", ".geojson.gz"])
def test_outlines_lie_on_the_pixels_of_the_label_image(results, nuclei, suffix):
    rings, settings, kind = read(results / (STEM + suffix))
    assert kind == "shapes"
    features = settings["features"]
    assert features["id"].tolist() == nuclei.id.tolist()
    assert features["class"].tolist() == nuclei.class_names().tolist()
    labels = np.asarray(read(results / f"{STEM}.labels.tif")[0])
    for row, ring in enumerate(rings):
        # GeoJSON has rings in either direction, so vertices are compared by their box.
        expected = nuclei.outline(row)[:, ::-1] - 0.5
        np.testing.assert_allclose(ring.min(0), expected.min(0), atol=0.011)
        np.testing.assert_allclose(ring.max(0), expected.max(0), atol=0.011)
        # In napari pixel (y, x) covers y - 0.5 to y + 0.5: the box of the outline holds its pixels.
        y, x = np.nonzero(labels == nuclei.id[row])
        assert abs(ring[:, 0].min() - y.min()) <= 0.51
        assert abs(ring[:, 1].max() - x.max()) <= 0.51
    color = settings["edge_color"][0]
    np.testing.assert_allclose(
        color[:3] * 255, nuclei.taxonomy.by_id(int(nuclei.class_id[0])).color, 1e-5
    )
    assert any(name.lower().startswith("area") for name in features)


def test_many_nuclei_become_points(nuclei, monkeypatch):
    monkeypatch.setattr(layers, "MOST_OUTLINES", 3)
    centres, settings, kind = layers.nuclei_layer(nuclei, "slide")
    assert kind == "points"
    assert centres.shape == (len(nuclei), 2)
    np.testing.assert_allclose(centres[0], nuclei.outline(0)[:, ::-1].mean(0) - 0.5, atol=1e-4)
    assert settings["name"] == "slide centres"
    assert len(settings["face_color"]) == len(nuclei)


def test_no_nuclei_are_an_empty_layer(nuclei):
    rings, settings, kind = layers.nuclei_layer(nuclei.take(np.zeros(0, int)), "slide")
    assert (rings, kind) == ([], "shapes")
    assert "edge_color" not in settings


def test_too_many_labels_have_no_colours_of_their_own(nuclei, monkeypatch):
    monkeypatch.setattr(table, "MOST_COLORS", 3)
    settings = layers.labels_layer([np.zeros((2, 2))], table.NucleusTable.of(nuclei), "slide")[1]
    assert "colormap" not in settings
    assert len(settings["features"]["id"]) == len(nuclei)


def test_without_the_table_the_classes_come_from_the_csv(results, nuclei, tmp_path):
    for suffix in (".labels.tif", ".labels.csv"):
        (tmp_path / (STEM + suffix)).write_bytes((results / (STEM + suffix)).read_bytes())
    features = read(tmp_path / f"{STEM}.labels.tif")[1]["features"]
    by_id = dict(zip(features["id"].tolist(), features["class"].tolist(), strict=True))
    names = nuclei.class_names().tolist()
    assert by_id == dict(zip(nuclei.id.tolist(), names, strict=True))
    (tmp_path / f"{STEM}.labels.csv").unlink()
    assert "features" not in read(tmp_path / f"{STEM}.labels.tif")[1]


def test_colours_of_the_csv(tmp_path):
    path = tmp_path / "a.labels.csv"
    path.write_text("id,class,color\n4,plasma,#ffa000\n")
    found = table.read_id_table(path)
    assert found.colors == {"plasma": (255, 160, 0)}
    path.write_text("id,class,color\n4,plasma,#ff\n")
    with pytest.raises(KaryoscopeError, match="no table of ids and classes"):
        table.read_id_table(path)


def test_a_pyramid_is_read_where_it_is_shown(tmp_path):
    pytest.importorskip("zarr")
    levels = [np.zeros((512, 512), np.uint32), np.zeros((256, 256), np.uint32)]
    levels[0][10:20, 30:40] = levels[1][5:10, 15:20] = 7
    path = tmp_path / "slide.labels.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(levels[0], subifds=1, tile=(256, 256))
        tif.write(levels[1], subfiletype=1, tile=(256, 256))
    data, settings, _ = read(path)
    assert settings["multiscale"]
    for shown, level in zip(data, levels, strict=True):
        assert not isinstance(shown, np.ndarray)
        assert shown.shape == level.shape
        np.testing.assert_array_equal(shown[:100, :100], level[:100, :100])


def test_annotations_of_qupath_are_outlines_too(tmp_path):
    square = [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": square},
        "properties": {
            "objectType": "annotation",
            "classification": {"name": "Tumor", "color": [200, 0, 0]},
            "measurements": [{"name": "Length", "value": 3}],
        },
    }
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps(feature))
    (ring,), settings, _ = read(path)
    assert ring.tolist() == [[-0.5, -0.5], [-0.5, 3.5], [3.5, 3.5], [3.5, -0.5]]
    assert settings["features"]["class"].tolist() == ["Tumor"]
    assert settings["features"]["Length"].tolist() == [3]
    np.testing.assert_allclose(settings["edge_color"][0], (200 / 255, 0, 0, 1), 1e-6)


def test_other_files_are_left_to_other_plugins():
    for path in ("slide.tif", "table.csv", "image.zarr", ["a.labels.tif", "b.labels.tif"]):
        assert reader.get_reader(path) is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.labels.tif", b"no image", "is no label image"),
        ("a.parquet", b"no table", "is no table of nuclei"),
        ("a.geojson", b"{", "is not GeoJSON"),
        ("a.geojson", b'{"type": "FeatureCollection", "features": []}', "holds no outlines"),
        ("a.labels.ome.zarr", b"no folder", "is no OME-Zarr label image"),
    ],
)
def test_damaged_files_are_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(KaryoscopeError, match=message) as error:
        read(path)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(KaryoscopeError, match="no file"):
        reader.read_layers(str(tmp_path / "a.parquet"))


def test_an_image_is_no_label_image(tmp_path):
    path = tmp_path / "a.labels.tif"
    tifffile.imwrite(path, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(KaryoscopeError, match="one channel of whole numbers"):
        read(path)
