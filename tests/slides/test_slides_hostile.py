"""Files that lie about their size or their pages: one line, before anything makes room for it."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
import slide_files as files
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from karyoscope.core.claims import claimed_size
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.tiff_guard import MOST_DIRECTORIES, check_directories
from karyoscope.slides import open_slide


def refused(path, words: str) -> None:
    with pytest.raises(KaryoscopeError, match=words) as caught:
        open_slide(path, mpp=0.5)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def directories(path, following: list[int], big: bool = False, order: str = "<") -> None:
    """A TIFF of empty directories of which each points at the one of the given place."""
    count, offset = ("Q", "Q") if big else ("H", "I")
    size = struct.calcsize(order + count) + struct.calcsize(order + offset)
    first = 16 if big else 8
    head = {"<": b"II", ">": b"MM"}[order]
    head += struct.pack(order + ("HHHQ" if big else "HI"), *([43, 8, 0] if big else [42]), first)
    place = [first + n * size for n in range(len(following))]
    body = b"".join(
        struct.pack(order + count, 0) + struct.pack(order + offset, place[n] if n >= 0 else 0)
        for n in following
    )
    path.write_bytes(head + body)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@given(st.data())
@settings(max_examples=20, deadline=None)
def test_pages_in_a_circle_of_any_length(tmp_path_factory, big, order, data):
    path = tmp_path_factory.mktemp("circle") / "a.tif"
    length = data.draw(st.integers(1, 300))
    last = data.draw(st.integers(0, length - 1))
    directories(path, [*range(1, length), last], big, order)
    refused(path, "its list of pages has a loop")
    directories(path, [*range(1, length), -1], big, order)
    check_directories(path)


def test_too_many_pages(tmp_path):
    path = tmp_path / "a.tif"
    directories(path, [*range(1, MOST_DIRECTORIES + 2), -1])
    refused(path, f"more than {MOST_DIRECTORIES} pages")


@pytest.mark.parametrize("big", [False, True])
def test_too_many_levels_below_a_page(tmp_path, big):
    path = tmp_path / "a.tif"
    count = 100_000
    if big:
        head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16)
        head += struct.pack("<QHHQQQ", 1, 330, 16, count, 52, 0)
    else:
        head = struct.pack("<2sHI", b"II", 42, 8)
        head += struct.pack("<HHHIII", 1, 330, 4, count, 26, 0)
    width = "Q" if big else "I"
    path.write_bytes(head + struct.pack(f"<{count}{width}", *range(1000, 1000 + count)))
    refused(path, f"more than {MOST_DIRECTORIES} pages or levels")


def test_levels_below_a_page_in_a_circle(picture, tmp_path):
    path = files.write_ome_tiff(tmp_path / "a.ome.tif", picture)
    with tifffile.TiffFile(path) as file:
        below = file.pages.first.pages[0].offset
    data = bytearray(path.read_bytes())
    (tags,) = struct.unpack_from("<H", data, below)
    struct.pack_into("<I", data, below + 2 + 12 * tags, below)
    path.write_bytes(data)
    refused(path, "its list of pages has a loop")


def test_real_files_pass(example_slide, picture, tmp_path):
    check_directories(example_slide)
    check_directories(files.write_ome_tiff(tmp_path / "a.ome.tif", picture))


def jpeg_tile(claim: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 160, 190)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    frame = data.find(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", *claim)
    return bytes(data)


def test_a_jpeg_tile_that_claims_to_be_huge(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        iter([jpeg_tile((65000, 65000))]),
        shape=(64, 64, 3),
        dtype=np.uint8,
        tile=(64, 64),
        compression="jpeg",
        photometric="rgb",
    )
    refused(path, "a tile claims 65000 x 65000 pixels")


@given(st.integers(1, 65535), st.integers(1, 65535))
@settings(deadline=None)
def test_the_size_that_a_jpeg_claims(width, height):
    assert claimed_size(jpeg_tile((height, width))) == (width, height)


@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"\x89PNG"]))
def test_any_bytes_claim_a_size_or_none(data, start):
    claim = claimed_size(start + data)
    assert claim is None or (len(claim) == 2 and min(claim) >= 0)


@pytest.mark.parametrize("code", [324, 325])
def test_a_table_of_tiles_that_is_short(code, picture, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture, tile=(64, 64), photometric="rgb", metadata=None)
    with tifffile.TiffFile(path) as file:
        tag = file.pages.first.tags[code]
        place, count = tag.offset, tag.count
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, place + 4, count - 3)
    path.write_bytes(data)
    refused(path, "fewer tiles|damaged TIFF")


def test_the_bytes_of_a_tile_are_limited_not_its_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr("karyoscope.slides.tiff_tiles.LARGEST_TILE_BYTES", 6 * 64 * 64 - 1)
    tile = np.full((64, 64, 3), 200, np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", tile, tile=(64, 64), photometric="rgb")
    open_slide(tmp_path / "a.tif", mpp=0.5).close()
    tifffile.imwrite(tmp_path / "b.tif", tile * np.uint16(257), tile=(64, 64), photometric="rgb")
    refused(tmp_path / "b.tif", "too large to decode at once")


def test_a_png_of_very_many_rows(tmp_path):
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", 1, 300_000_000, 8, 2, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b""))
    refused(path, "1 x 300000000 pixels are too many")


def test_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes on this system")
    os.mkfifo(tmp_path / "a.png")
    refused(tmp_path / "a.png", "is a pipe or a device")


def test_a_device_is_not_read():
    if not os.path.exists("/dev/zero"):
        pytest.skip("no devices on this system")
    with pytest.raises(KaryoscopeError, match="/dev/zero is a pipe or a device"):
        open_slide("/dev/zero", mpp=0.5)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_gives_pixels_or_one_line(tmp_path_factory, data):
    """Of the directories of a file, where sizes, places and kinds are stated."""
    folder = tmp_path_factory.mktemp("changed")
    image = np.full((40, 50, 3), 200, np.uint8)
    tifffile.imwrite(folder / "a.tif", image, tile=(16, 16), photometric="rgb", metadata=None)
    content = bytearray((folder / "a.tif").read_bytes())
    (start,) = struct.unpack_from("<I", content, 4)
    (tags,) = struct.unpack_from("<H", content, start)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(start, start + 2 + 12 * tags + 3))
        content[place] = data.draw(st.integers(0, 255))
    (folder / "a.tif").write_bytes(content)
    line = ""
    try:
        with open_slide(folder / "a.tif", mpp=0.5) as slide:
            slide.read(0, 0, 64, 64)
    except KaryoscopeError as error:
        line = str(error)
    assert "\n" not in line
