"""Reading odd, broken and hostile files."""

import pickle
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io
import shapely
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.aperio import read_aperio
from karyoscope.datasets.base import Record
from karyoscope.datasets.describe import read_description, write_description
from karyoscope.datasets.files import (
    by_stem,
    image_by_stem,
    map_npy,
    patient_of,
    read_mat,
    read_npy_dict,
)
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.labels import (
    class_lookup,
    components,
    label_map,
    majority_class,
    read_label_image,
)
from karyoscope.datasets.polygons import CENTRE_ORIGIN, covered_pixels, paint, pixel_polygon
from karyoscope.datasets.writing import GrowingArray, write_label_image, write_png


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_polygons_keep_every_pixel(mask, x):
    label = np.zeros((12, 20), np.int32)
    paint(label, pixel_polygon(mask, x, 0), 7)
    expected = np.zeros((12, 20), np.int32)
    expected[: mask.shape[0], x : x + mask.shape[1]] = mask * 7
    np.testing.assert_array_equal(label, expected)


def test_polygon_is_valid_with_hole_and_parts():
    mask = np.ones((5, 9), bool)
    mask[2, 2] = mask[:, 6] = False
    polygon = pixel_polygon(mask, 10, 20)
    assert polygon.is_valid
    assert polygon.geom_type == "MultiPolygon"
    assert polygon.area == mask.sum()
    assert polygon.bounds == (10, 20, 19, 25)


def test_origin_at_the_centre_includes_the_outline():
    square = shapely.box(1, 1, 3, 4)
    rows, columns = covered_pixels(square, (10, 10), CENTRE_ORIGIN)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 4, 1, 3)
    assert len(rows) == 12


def test_earlier_polygons_keep_their_pixels_and_edges_are_clipped():
    label = np.zeros((4, 4), np.int32)
    paint(label, shapely.box(-5, -5, 2, 2), 1)
    paint(label, shapely.box(1, 1, 50, 50), 2)
    paint(label, shapely.box(60, 60, 70, 70), 3)
    assert label.tolist() == [[1, 1, 0, 0], [1, 1, 2, 2], [0, 2, 2, 2], [0, 2, 2, 2]]


def test_aperio_names_layers_by_attribute_else_by_name(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(
        '<Annotations MicronsPerPixel="0.25"><Annotation Name="Nuclei"><Regions><Region><Vertices>'
        '<Vertex X="1" Y="1"/><Vertex X="5" Y="1"/><Vertex X="5" Y="6.5"/></Vertices></Region>'
        '<Region><Vertices><Vertex X="1" Y="1"/></Vertices></Region></Regions></Annotation>'
        '<Annotation><Attributes><Attribute Name="Epithelial"/></Attributes></Annotation>'
        "</Annotations>"
    )
    found = read_aperio(path)
    assert [(name, p.area) for name, p in found.polygons] == [("nuclei", 11.0)]
    assert found.mpp == 0.25
    path.write_text(path.read_text("utf-8").replace('X="1"', ""))
    with pytest.raises(KaryoscopeError, match=r"a\.xml: not readable Aperio XML"):
        read_aperio(path)


def test_dictionaries_of_arrays_are_read(tmp_path):
    content = {"inst_map": np.arange(6, dtype=np.uint32).reshape(2, 3), "n": np.float64(2.5)}
    np.save(tmp_path / "a.npy", content, allow_pickle=True)
    back = read_npy_dict(tmp_path / "a.npy")
    np.testing.assert_array_equal(back["inst_map"], content["inst_map"])
    assert back["n"] == 2.5


class _Hostile:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code from a data file ran')",))


def test_pickles_that_would_run_code_are_refused(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.array({"inst_map": _Hostile()}), allow_pickle=True)
    with pytest.raises(KaryoscopeError, match=r"builtins\.exec, which is not an array"):
        read_npy_dict(tmp_path / "a.npy")
    assert capsys.readouterr().out == ""
    with pytest.raises(KaryoscopeError, match="not a readable array"):
        map_npy(tmp_path / "a.npy")


@pytest.mark.parametrize("cut", [0, 5, 60, 200])
def test_truncated_dictionaries_are_named(tmp_path, cut):
    np.save(tmp_path / "a.npy", {"inst_map": np.zeros((9, 9))}, allow_pickle=True)
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data[:cut])
    with pytest.raises(KaryoscopeError, match=r"a\.npy"):
        read_npy_dict(tmp_path / "a.npy")


def test_plain_arrays_are_no_dictionaries(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(KaryoscopeError, match="no dictionary"):
        read_npy_dict(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(pickle.dumps({}))
    with pytest.raises(KaryoscopeError, match="not a readable array"):
        read_npy_dict(tmp_path / "b.npy")


def test_mat_files_without_a_key_are_named(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"inst_map": np.zeros((2, 2))})
    with pytest.raises(KaryoscopeError, match=r"a\.mat: lacks id, class"):
        read_mat(tmp_path / "a.mat", "inst_map", "id", "class")


def test_images_of_many_kinds(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.png"), image)
    transparent = np.dstack([image[..., ::-1], np.full((8, 9), 255, np.uint8)])
    cv2.imwrite(str(tmp_path / "b.png"), transparent)
    np.testing.assert_array_equal(read_rgb(tmp_path / "b.png"), image)
    tifffile.imwrite(tmp_path / "c.tif", image, compression="jpeg2000")
    np.testing.assert_array_equal(read_rgb(tmp_path / "c.tif"), image)
    (tmp_path / "d.png").write_bytes(b"nothing")
    with pytest.raises(KaryoscopeError, match="not a readable"):
        read_rgb(tmp_path / "d.png")
    assert list(image_by_stem(tmp_path)) == ["a", "b", "c", "d"]
    assert image_by_stem(tmp_path / "nowhere") == {}


def test_files_by_stem_are_images_unless_another_suffix_is_given():
    paths = [Path("a.PNG"), Path("a.json"), Path("b.JSON"), Path("a.tif")]
    assert by_stem(paths) == {"a": [Path("a.PNG"), Path("a.tif")]}
    assert by_stem(paths, (".json",)) == {"a": [Path("a.json")], "b": [Path("b.JSON")]}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_truncated_images_are_named(tmp_path, suffix, share):
    image = np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), image)
    assert read_rgb(path).shape == image.shape
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(KaryoscopeError, match="not a readable"):
        read_rgb(path)


def test_tiff_planes_may_come_first(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (8, 9, 3)).astype(np.uint8)
    planes = np.moveaxis(image, 2, 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_rgb(tmp_path / "a.tif"), image)


@pytest.mark.parametrize("largest", [255, 65535, 65536, 2**24])
def test_label_images_keep_large_ids(tmp_path, largest):
    labels = np.zeros((4, 5), np.int32)
    labels[1:3, 1] = largest - 1
    labels[1:3, 3] = largest
    path = write_label_image(tmp_path, "a", labels)
    np.testing.assert_array_equal(read_label_image(path), labels)


@pytest.mark.parametrize(
    "array",
    [
        np.full((2, 2), -1),
        np.full((2, 2), 0.5),
        np.full((2, 2), np.nan),
        np.full((2, 2), 2**25),
        np.zeros((2, 2, 3)),
        np.zeros((0, 4)),
        np.array([["a"]]),
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path, array):
    with pytest.raises(KaryoscopeError, match="here"):
        label_map(array, tmp_path / "here")


def test_masks_without_ids_are_refused(tmp_path):
    mask = np.zeros((9, 30), np.uint8)
    mask[2:5, [2, 3, 10, 11, 20, 21]] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    with pytest.raises(KaryoscopeError, match="an id of its own"):
        read_label_image(tmp_path / "m.png")
    cv2.imwrite(str(tmp_path / "m.png"), components(mask > 0).astype(np.uint8))
    assert read_label_image(tmp_path / "m.png").max() == 3


def test_class_lookup():
    table = class_lookup([[3], [1], [9], [-2]], [[5], [2], [1], [1]], 4, Path("a.mat"))
    assert table.tolist() == [0, 2, 0, 5, 0]


@given(
    arrays(np.uint8, (6, 7), elements=st.integers(0, 4)),
    arrays(np.uint8, (6, 7), elements=st.integers(0, 3)),
)
@settings(max_examples=50, deadline=None)
def test_majority_class_is_that_of_most_pixels(inst_map, class_map):
    table = majority_class(inst_map, class_map)
    assert table[0] == 0
    for i in np.unique(inst_map[inst_map > 0]):
        assert table[i] == np.bincount(class_map[inst_map == i]).argmax()


@given(parts=st.lists(st.integers(0, 5), max_size=6))
@settings(max_examples=30, deadline=None)
def test_growing_arrays_equal_saved_ones(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("grow") / "a.npy"
    rows = [np.arange(n * 6, dtype=np.int16).reshape(n, 2, 3) for n in parts]
    with GrowingArray(path, np.int16, (2, 3)) as out:
        for row in rows:
            out.extend(row)
    expected = np.concatenate([np.zeros((0, 2, 3), np.int16), *rows])
    np.testing.assert_array_equal(np.load(path), expected)


def test_patients_are_read_from_tcga_barcodes_alone():
    assert patient_of("TCGA-A1-A0SP-01Z-00-DX1_left-3") == "TCGA-A1-A0SP"
    assert patient_of("my TCGA-A1-A0SP") == "my TCGA-A1-A0SP"


def test_description_round_trip(tmp_path):
    records = [(Record("a", "s1", "x", "train"), 0.5), (Record("b", "s2", "", "1"), 0.25)]
    write_description(tmp_path, "folder", Taxonomy.load("monusac"), records)
    found = read_description(tmp_path)
    assert found.layout == "folder"
    assert found.taxonomy == Taxonomy.load("monusac")
    assert list(found.records.values()) == [record for record, _ in records]
    assert found.scales == {"a": 0.5, "b": 0.25}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mpp: [", "not valid YAML"),
        ("mpp: fast", "positive number"),
        ("mpp: -1", "positive number"),
        ("- 3", "names and values"),
        ("taxonomy: unheard", "no taxonomy"),
    ],
)
def test_bad_descriptions_are_named(tmp_path, text, message):
    (tmp_path / "dataset.yaml").write_text(text)
    with pytest.raises(KaryoscopeError, match=message):
        read_description(tmp_path)


def test_bad_tables_of_records_are_named(tmp_path):
    (tmp_path / "records.csv").write_text("image,source\na,b\n")
    with pytest.raises(KaryoscopeError, match="lacks the column name"):
        read_description(tmp_path)
    (tmp_path / "records.csv").write_text("name,mpp\na,coarse\n")
    with pytest.raises(KaryoscopeError, match="'coarse' is not a number"):
        read_description(tmp_path)


@pytest.mark.parametrize("read", [map_npy, read_npy_dict])
@pytest.mark.parametrize("header", ["{'descr': '<i4', 'shape': (3", "{'descr': [[[", "'''", "\0"])
def test_a_damaged_header_of_an_array_is_one_line(tmp_path, read, header):
    text = header.ljust(117) + "\n"
    magic = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little")
    (tmp_path / "a.npy").write_bytes(magic + text.encode())
    with pytest.raises(KaryoscopeError, match="not a readable array") as caught:
        read(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)


def test_labels_that_claim_to_be_huge_are_refused_before_they_are_decoded(tmp_path):
    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    with pytest.raises(KaryoscopeError, match="60000 x 60000 pixels are too many"):
        read_label_image(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9), np.uint16))
    data = bytearray((tmp_path / "a.tif").read_bytes())
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * count, first)  # the next page is the first
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(KaryoscopeError, match="not a readable image"):
        read_label_image(tmp_path / "a.tif")


def test_labels_of_several_pages_are_refused_and_turned_ones_are_said(tmp_path):
    labels = np.kron(np.arange(4).reshape(2, 2), np.ones((5, 5), int)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([labels, labels]), photometric="minisblack")
    with pytest.raises(KaryoscopeError, match="holds 2 images, where one is needed"):
        read_label_image(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", labels, extratags=[(274, "H", 1, 6, True)])
    with pytest.warns(UserWarning, match="orientation tag is 6"):
        assert (read_label_image(tmp_path / "b.tif") == labels).all()


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_of_matlab_come_back_and_a_type_that_is_none_is_one_line(tmp_path, compressed):
    path = tmp_path / "a.mat"
    arrays_in_it = {
        "inst_map": np.arange(12, dtype=np.float64).reshape(3, 4),
        "inst_type": np.array([[1], [2]], np.uint8),
        "inst_centroid": np.zeros((2, 2)),
        "cells": np.array([["a", 1]], object),
    }
    scipy.io.savemat(path, arrays_in_it, do_compression=compressed)
    mat = read_mat(path, "inst_map", "inst_type")
    for name in ("inst_map", "inst_type", "inst_centroid"):
        np.testing.assert_array_equal(mat[name], arrays_in_it[name])
    scipy.io.savemat(path, {"inst_map": arrays_in_it["inst_map"]})
    data = bytearray(path.read_bytes())
    values = data.index(struct.pack("<II", 9, 96))  # the tag of 12 doubles
    for kind in (0, 8, 11, 14, 250):  # SciPy crashes on some of these
        struct.pack_into("<I", data, values, kind)
        path.write_bytes(data)
        with pytest.raises(KaryoscopeError, match="not a readable MATLAB file"):
            read_mat(path, "inst_map")
