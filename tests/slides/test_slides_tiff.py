"""TIFF layouts beyond the contract, and the real Aperio slide."""

from __future__ import annotations

import numpy as np
import openslide
import pytest
import slide_files as files
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import open_slide
from karyoscope.slides.tiff import TiffSlide
from karyoscope.slides.tiff_tiles import TiledLevel


def test_the_example_slide_is_read_as_openslide_reads_it(example_slide):
    with open_slide(example_slide) as slide, openslide.OpenSlide(example_slide) as peer:
        assert isinstance(slide, TiffSlide)
        assert slide.size == peer.dimensions == (2220, 2967)
        assert slide.mpp == float(peer.properties["openslide.mpp-x"]) == 0.499
        for x, y, w, h in [(0, 0, 2220, 2967), (1999, 2801, 221, 166), (239, 241, 2, 1)]:
            theirs = np.asarray(peer.read_region((x, y), 0, (w, h)))[..., :3]
            assert np.array_equal(slide.read(x, y, w, h), theirs)


@pytest.mark.parametrize("compression", [33003, 33005])
def test_jpeg_2000_is_read_as_openslide_reads_it(picture, tmp_path, compression):
    path = files.write_aperio_jpeg2000(tmp_path / "a.svs", picture, compression)
    with open_slide(path) as slide, openslide.OpenSlide(path) as peer:
        ours = slide.read(0, 0, *slide.size).astype(int)
        theirs = np.asarray(peer.read_region((0, 0), 0, slide.size))[..., :3]
        assert np.abs(ours - theirs).max() <= (1 if compression == 33003 else 0)


def test_levels_of_an_aperio_pyramid(picture, tmp_path):
    """Thumbnail, label and macro between and behind the levels are not levels."""
    path = tmp_path / "a.svs"
    height, width = picture.shape[:2]
    text = files.APERIO.format(width=width, height=height)
    with tifffile.TiffWriter(path) as file:
        options = {"tile": (64, 64), "compression": "jpeg", "metadata": None, "photometric": "rgb"}
        file.write(picture, description=text, **options)
        file.write(picture[:50, :60], description=text, metadata=None, photometric="rgb")
        file.write(files.halved(picture, 2), description=text, **options)
        file.write(picture[:40, :40], subfiletype=1, description="label", metadata=None)
        file.write(picture[:40, :90], subfiletype=9, description="macro", metadata=None)
    with open_slide(path) as slide:
        assert [(v.width, v.height) for v in slide.levels] == [(467, 331), (116, 82)]
        assert [v.downsample_x for v in slide.levels] == [1, 4]
        coarse = slide.read(0, 0, 116, 82, mpp=1.0)
        assert np.abs(coarse - files.halved(picture, 2).astype(int)).mean() < 6


def test_levels_of_an_aperio_pyramid_without_its_thumbnail(picture, tmp_path):
    """As tools leave it that remove what may show a patient's name."""
    path = tmp_path / "a.svs"
    text = files.APERIO.format(width=picture.shape[1], height=picture.shape[0])
    options = {"tile": (64, 64), "compression": "jpeg", "metadata": None, "photometric": "rgb"}
    with tifffile.TiffWriter(path) as file:
        for level in range(3):
            pixels = files.halved(picture, level) if level else picture
            file.write(pixels, description=text, **options)
    with open_slide(path) as slide:
        assert [v.downsample_x for v in slide.levels] == [1, 2, 4]
        coarse = slide.read(0, 0, 116, 82, mpp=1.0)
        assert np.abs(coarse - files.halved(picture, 2).astype(int)).mean() < 6


def test_the_largest_image_is_the_slide(picture, tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(picture[:31, :77], metadata=None, **files.at_mpp(1.0))
        file.write(picture, metadata=None, **files.at_mpp(0.25))
    with pytest.warns(UserWarning, match="it holds 2 images"):
        slide = open_slide(path)
    with slide:
        assert slide.size == (467, 331)
        assert slide.mpp == pytest.approx(0.25)


def test_palette(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16)
    index = np.random.default_rng(1).integers(0, 256, (40, 50)).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "a.tif", index, photometric="palette", colormap=colours * 257, metadata=None
    )
    with open_slide(tmp_path / "a.tif", mpp=0.5) as slide:
        assert np.array_equal(slide.read(0, 0, 50, 40), colours.T[index].astype(np.uint8))


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey(tmp_path, photometric):
    grey = np.random.default_rng(1).integers(0, 256, (40, 50)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric=photometric, metadata=None)
    expected = grey if photometric == "minisblack" else 255 - grey
    with open_slide(tmp_path / "a.tif", mpp=0.5) as slide:
        assert np.array_equal(slide.read(0, 0, 50, 40), np.repeat(expected[..., None], 3, 2))


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_alpha_is_laid_over_white(tmp_path, kind):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = 200, 100, 50, 255
    rgba[0, 1] = (100, 50, 20, 128) if kind == "unassalpha" else (50, 25, 10, 128)
    tifffile.imwrite(tmp_path / "a.tif", rgba, extrasamples=[kind], metadata=None)
    with open_slide(tmp_path / "a.tif", mpp=0.5) as slide:
        seen = slide.read(0, 0, 2, 2)
    assert seen[0, 0].tolist() == [200, 100, 50]
    assert seen[0, 1].tolist() == [177, 152, 137]
    assert (seen[1] == 255).all()


def test_a_tile_that_the_file_leaves_out_is_white(tmp_path):
    def some():
        yield np.zeros((16, 16, 3), np.uint8)
        yield None
        yield np.zeros((16, 16, 3), np.uint8)
        yield np.zeros((16, 16, 3), np.uint8)

    tifffile.imwrite(
        tmp_path / "a.tif",
        some(),
        shape=(32, 32, 3),
        dtype="uint8",
        tile=(16, 16),
        compression="zlib",
        metadata=None,
        photometric="rgb",
    )
    with open_slide(tmp_path / "a.tif", mpp=0.5) as slide:
        seen = slide.read(0, 0, 32, 32)
    assert (seen[:16, 16:] == 255).all()
    assert (seen[16:] == 0).all()


def test_tiles_are_decoded_once(example_slide, monkeypatch):
    decoded: list[int] = []
    original = TiledLevel.rgb
    monkeypatch.setattr(
        TiledLevel, "rgb", lambda self, index: decoded.append(index) or original(self, index)
    )
    with open_slide(example_slide) as slide:
        for x in range(0, 900, 100):
            slide.read(x, 0, 200, 200)
    assert len(decoded) == len(set(decoded)) == 5


def test_memory_for_decoded_tiles_is_bounded(example_slide, monkeypatch):
    monkeypatch.setattr(TiffSlide, "cache_bytes", 1_000_000)
    with open_slide(example_slide) as slide:
        slide.read(0, 0, *slide.size)
        kept = sum(tile.nbytes for tile in slide._cache.values())
    assert 0 < kept <= 1_000_000


@pytest.mark.parametrize(
    ("array", "options", "words"),
    [
        (np.ones((8, 9, 3), np.float32), {"photometric": "rgb"}, "samples of 32 bits"),
        (np.ones((8, 9, 3), np.int16), {"photometric": "rgb"}, "int16"),
        (np.ones((8, 9), bool), {}, "samples of 1 bits"),
        (np.ones((8, 9, 5), np.uint8), {"photometric": "rgb"}, "5 channels"),
        (np.ones((8, 9, 4), np.uint8), {"photometric": "separated"}, "SEPARATED"),
        (np.ones((8, 9, 3), np.uint8), {"photometric": "cielab"}, "CIELAB"),
        (np.ones((6, 8, 9), np.uint8), {"photometric": "minisblack"}, "stack of images"),
        (np.ones((5, 8, 9, 3), np.uint8), {"photometric": "rgb"}, "stack of images"),
    ],
)
def test_pixel_types_that_are_refused(tmp_path, array, options, words):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, metadata=None, **options)
    with pytest.raises(KaryoscopeError, match=words) as caught:
        open_slide(path, mpp=0.5)
    assert str(path) in str(caught.value)


def test_fluorescence_ome_tiff_is_refused(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.ones((4, 32, 32), np.uint8), ome=True, metadata={"axes": "CYX"})
    with pytest.raises(KaryoscopeError, match="4 along C"):
        open_slide(path, mpp=0.5)


def test_a_huge_image_in_one_strip_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("karyoscope.slides.tiff_tiles.LARGEST_TILE_BYTES", 1000)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((50, 60, 3), np.uint8), rowsperstrip=50, metadata=None)
    with pytest.raises(KaryoscopeError, match=r"60 x 50 pixels in one piece.*tiles"):
        open_slide(path, mpp=0.5)


def test_damage_is_found_where_it_is_read(example_slide, tmp_path):
    data = bytearray(example_slide.read_bytes())
    with tifffile.TiffFile(example_slide) as file:
        offset = file.pages.first.dataoffsets[11]
    data[offset : offset + 40] = bytes(40)
    path = tmp_path / "damaged.svs"
    path.write_bytes(data)
    with open_slide(path) as slide:
        slide.read(0, 0, 200, 200)
        with pytest.raises(KaryoscopeError, match=r"damaged\.svs: damaged at x 240, y 240"):
            slide.read(200, 200, 100, 100)
