"""Everything that is not a readable slide gives one line that names the file."""

from __future__ import annotations

import numpy as np
import pytest
import slide_files as files
from PIL import Image

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import open_slide


def refused(source, words: str, mpp: float | None = 0.5) -> str:
    with pytest.raises(KaryoscopeError, match=words) as caught:
        open_slide(source, mpp=mpp)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    if not isinstance(source, np.ndarray):
        assert str(source) in message
    return message


def test_missing(tmp_path):
    refused(tmp_path / "no.svs", "does not exist")


def test_folder(tmp_path):
    refused(tmp_path, "is a folder")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello, world\n", "a text file"),
        ("Größe in µm".encode("utf-16"), "no known image format"),
        (b"  <!DOCTYPE html><html>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid x", "a Git LFS pointer"),
        (b"PK\x03\x04....", "a ZIP archive"),
        (b"\x1f\x8b\x08\0....", "a gzip file"),
        (b"%PDF-1.7", "a PDF"),
        (b"GIF89a\0\0", "save it as PNG or TIFF"),
        (bytes(range(256)), "no known image format"),
        (b"RIFF\0\0\0\0WAVEfmt ", "no known image format"),
        (b"II*\0\x08\0\0\0", "holds no image; it may be truncated"),
        (b"II*\0", "TIFF"),
        (b"\x89PNG\r\n\x1a\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\x93NUMPY\x01\x00", "not a readable array"),
    ],
)
@pytest.mark.parametrize("name", ["a.svs", "a.png", "a"])
def test_files_that_are_not_images(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, words)


@pytest.mark.parametrize("name", ["a.mrxs", "a.vms", "a.ndpi", "a.scn", "a.bif"])
def test_a_vendor_slide_without_its_companions_is_not_taken_for_a_picture(tmp_path, name):
    path = tmp_path / name
    Image.new("RGB", (20, 20)).save(path, format="JPEG")
    refused(path, "the files that belong to it are not beside it")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
def test_the_example_truncated(example_slide, tmp_path, share):
    path = tmp_path / "cut.svs"
    data = example_slide.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "truncated|TIFF", mpp=None)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_images_truncated(picture, tmp_path, name, share):
    path = tmp_path / name
    Image.fromarray(picture).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "damaged or truncated")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95, 0.999])
@pytest.mark.parametrize("planes", [False, True])
def test_ome_tiff_truncated(picture, tmp_path, share, planes):
    path = files.write_ome_tiff(tmp_path / "a.ome.tif", picture, planes)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    seen, message = None, ""
    try:
        with open_slide(path, mpp=0.25) as slide:
            seen = slide.read(0, 0, *slide.size)
    except KaryoscopeError as error:
        message = str(error)
    # A lost pyramid or description costs no pixels; everything else is an error.
    assert str(path) in message if seen is None else np.array_equal(seen, picture)


@pytest.mark.parametrize(("mode", "name"), [("1", "a.png"), ("1", "a.bmp"), ("F", "a.tif")])
def test_pixel_types_of_images(tmp_path, mode, name):
    Image.new(mode, (9, 9)).save(tmp_path / name)
    refused(tmp_path / name, "only 8 and 16 bits")


def test_an_image_that_is_too_large_to_decode(tmp_path, monkeypatch):
    monkeypatch.setattr("karyoscope.core.images.LARGEST_IMAGE", 1000)
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 40)).save(path)
    refused(path, "40 x 40 pixels are too many.*tiled TIFF")


def test_an_image_above_the_limit_of_pillow_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 40)).save(path)
    with open_slide(path, mpp=0.5) as slide:
        assert slide.size == (40, 40)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 20, 30), np.uint8), "move the channels last"),
        (np.zeros((20, 30, 5), np.uint8), "shape"),
        (np.zeros((20,), np.uint8), "shape"),
        (np.zeros((2, 20, 30, 3), np.uint8), "shape"),
        (np.zeros((0, 30, 3), np.uint8), "empty"),
        (np.full((20, 30, 3), 200.0), "0..1"),
        (np.full((20, 30, 3), -0.1), "0..1"),
        (np.full((20, 30, 3), np.nan), "0..1"),
        (np.zeros((20, 30, 3), np.int64), "int64"),
        (np.zeros((20, 30), bool), "bool"),
        (np.array([[object()]]), "object"),
    ],
)
def test_arrays(array, words):
    refused(array, words)


def test_an_array_of_objects_in_a_file_is_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[object()]]), allow_pickle=True)
    refused(tmp_path / "a.npy", "not a readable array")


def test_grey_and_rgba_arrays():
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    with open_slide(grey, mpp=0.5) as slide:
        assert np.array_equal(slide.read(0, 0, 4, 3), np.repeat(grey[..., None], 3, 2))
    clear = np.zeros((3, 4, 4), np.uint8)
    with open_slide(clear, mpp=0.5) as slide:
        assert (slide.read(0, 0, 4, 3) == 255).all()


@pytest.mark.parametrize(("module", "make"), [("zarr", "zarr"), ("wsidicom", "dicom")])
def test_an_absent_library_is_named_with_its_extra(tmp_path, monkeypatch, module, make):
    import sys

    monkeypatch.setitem(sys.modules, module, None)
    if make == "zarr":
        path = tmp_path / "a.zarr"
        path.mkdir()
        (path / ".zattrs").write_text("{}")
    else:
        path = tmp_path / "a.dcm"
        path.write_bytes(bytes(128) + b"DICM" + bytes(100))
    refused(path, r"pip install 'karyoscope\[slides\]'")


def test_zarr_that_is_no_image(tmp_path):
    pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    path.mkdir()
    (path / ".zattrs").write_text("{}")
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    refused(path, "no multiscales metadata")
    (path / ".zgroup").write_text("nonsense")
    refused(path, "not a readable OME-Zarr")


def test_dicom_that_is_no_slide(tmp_path):
    pytest.importorskip("wsidicom")
    path = tmp_path / "a.dcm"
    path.write_bytes(bytes(128) + b"DICM" + bytes(100))
    refused(path, "not a readable DICOM")


@pytest.mark.parametrize("mpp", ["0.5", True, [0.5], 0.5j])
def test_a_pixel_size_that_is_no_number_is_one_line(mpp):
    image = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(KaryoscopeError, match=r"^mpp=.* is not a number of micrometres"):
        open_slide(image, mpp)
    with pytest.raises(KaryoscopeError, match=r"^override_mpp=.* is not a number of micrometres"):
        open_slide(image, override_mpp=mpp)


@pytest.mark.parametrize("source", [None, 3, b"a.svs", [[0, 0]]])
def test_what_is_no_image_is_one_line(source):
    with pytest.raises(KaryoscopeError, match="an image is a path, a NumPy array, a Pillow image"):
        open_slide(source, 0.5)


@pytest.mark.parametrize("edge", [10**7, 10**12])
def test_a_window_larger_than_memory_is_one_line(edge):
    with (
        open_slide(np.zeros((8, 8, 3), np.uint8), 0.5) as slide,
        pytest.raises(KaryoscopeError, match="does not fit in memory"),
    ):
        slide.read(-1, 0, edge, edge)


@pytest.mark.parametrize("window", [(0, 0, -3, 5), (0, 0, 5.5, 5), (float("nan"), 0, 5, 5)])
def test_a_window_is_of_whole_pixels(window):
    with (
        open_slide(np.zeros((9, 9, 3), np.uint8), 0.5) as slide,
        pytest.raises(KaryoscopeError, match="cannot read a window"),
    ):
        slide.read(*window)
