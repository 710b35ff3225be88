"""What holds for every format: each maker below inherits every test of this file."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import slide_files as files
import tifffile
from PIL import Image

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import READERS, Slide, open_slide
from karyoscope.slides.dicom import DicomSlide
from karyoscope.slides.openslide_reader import OpenSlideSlide

MPP = 0.25


@dataclass(frozen=True)
class Case:
    """A way to store the picture.

    ``loss`` is the mean absolute difference that the encoding may cause, ``grey`` whether colour
    is lost, ``states`` whether the file states its pixel size.
    """

    format: str
    make: Callable[[Path, np.ndarray], Path | np.ndarray]
    loss: float = 0.0
    grey: bool = False
    states: bool = True
    open: Callable[..., Slide] = open_slide


def tiff(name: str, **options: object) -> Callable[[Path, np.ndarray], Path]:
    def make(folder: Path, rgb: np.ndarray) -> Path:
        path = folder / name
        tifffile.imwrite(path, rgb, metadata=None, **(files.at_mpp(MPP) | options))
        return path

    return make


def pillow(name: str, mode: str, **options: object) -> Callable[[Path, np.ndarray], Path]:
    def make(folder: Path, rgb: np.ndarray) -> Path:
        Image.fromarray(rgb).convert(mode).save(folder / name, **options)
        return folder / name

    return make


def png16(folder: Path, rgb: np.ndarray) -> Path:
    wide = rgb[..., ::-1].astype(np.uint16) * 257
    (folder / "deep.png").write_bytes(cv2.imencode(".png", wide)[1].tobytes())
    return folder / "deep.png"


def tiff16(folder: Path, rgb: np.ndarray) -> Path:
    path = folder / "deep.tif"
    tifffile.imwrite(path, rgb.astype(np.uint16) * 257, metadata=None, **files.at_mpp(MPP))
    return path


def rgba_tiff(folder: Path, rgb: np.ndarray) -> Path:
    path = folder / "alpha.tif"
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    tifffile.imwrite(path, rgba, extrasamples=["unassalpha"], metadata=None, **files.at_mpp(MPP))
    return path


def planar(folder: Path, rgb: np.ndarray) -> Path:
    path = folder / "planar.tif"
    tifffile.imwrite(
        path,
        np.moveaxis(rgb, 2, 0),
        photometric="rgb",
        planarconfig="separate",
        tile=(64, 64),
        metadata=None,
        **files.at_mpp(MPP),
    )
    return path


def npy(dtype: str) -> Callable[[Path, np.ndarray], Path]:
    def make(folder: Path, rgb: np.ndarray) -> Path:
        scale = {"uint8": 1, ">u2": 257, "float32": 1 / 255}[dtype]
        np.save(folder / "array.npy", (rgb.astype(np.float64) * scale).astype(dtype))
        return folder / "array.npy"

    return make


def dicom(folder: Path, rgb: np.ndarray) -> Path:
    pytest.importorskip("pydicom")
    from dicom_files import write_dicom

    return write_dicom(folder / "slide", rgb)


def dicom_by_wsidicom(folder: Path, rgb: np.ndarray) -> Path:
    pytest.importorskip("wsidicom")
    return dicom(folder, rgb) / "1.dcm"


def ome_zarr(version: int, planes: str) -> Callable[[Path, np.ndarray], Path]:
    def make(folder: Path, rgb: np.ndarray) -> Path:
        pytest.importorskip("zarr")
        return files.write_ome_zarr(folder / "slide.ome.zarr", rgb, version, planes)

    return make


CASES = {
    "array": Case("array", lambda folder, rgb: rgb, states=False),
    "npy": Case("array", npy("uint8"), states=False),
    "npy 16 bits": Case("array", npy(">u2"), states=False),
    "npy floats": Case("array", npy("float32"), states=False),
    "tiff": Case("tiff", tiff("a.tif")),
    "tiff strips": Case("tiff", tiff("a.tif", rowsperstrip=7, compression="lzw")),
    "tiff tiles": Case("tiff", tiff("a.tif", tile=(64, 96), compression="zlib", predictor=2)),
    "bigtiff": Case("tiff", tiff("a.btf", tile=(64, 64), bigtiff=True)),
    "tiff big-endian": Case("tiff", tiff("a.tif", byteorder=">")),
    "tiff jpeg": Case("tiff", tiff("a.tif", tile=(128, 128), compression="jpeg"), loss=6),
    "tiff webp": Case("tiff", tiff("a.tif", tile=(128, 128), compression="webp")),
    "tiff jpeg 2000": Case("tiff", tiff("a.tif", tile=(128, 128), compression="jpeg2000")),
    "tiff 16 bits": Case("tiff", tiff16),
    "tiff rgba": Case("tiff", rgba_tiff),
    "tiff planar": Case("tiff", planar),
    "tiff pyramid": Case("tiff", lambda f, rgb: files.write_tiff_pyramid(f / "a.tif", rgb)),
    "tiff jpeg pyramid": Case(
        "tiff",
        lambda f, rgb: files.write_tiff_pyramid(f / "a.tif", rgb, compression="jpeg"),
        loss=6,
    ),
    "ome-tiff": Case("tiff", lambda f, rgb: files.write_ome_tiff(f / "a.ome.tif", rgb)),
    "ome-tiff planes": Case(
        "tiff", lambda f, rgb: files.write_ome_tiff(f / "a.ome.tif", rgb, planes=True)
    ),
    "svs jpeg 2000 rgb": Case(
        "tiff", lambda f, rgb: files.write_aperio_jpeg2000(f / "a.svs", rgb, 33005)
    ),
    "svs jpeg 2000 ycbcr": Case(
        "tiff", lambda f, rgb: files.write_aperio_jpeg2000(f / "a.svs", rgb, 33003), loss=1
    ),
    "svs by openslide": Case(
        "openslide",
        lambda f, rgb: files.write_aperio_jpeg2000(f / "a.svs", rgb, 33005),
        open=OpenSlideSlide,
    ),
    "ndpi": Case("openslide", lambda f, rgb: files.write_ndpi(f / "a.ndpi", rgb), loss=6),
    "dicom": Case("openslide", dicom),
    "dicom by wsidicom": Case("dicom", dicom_by_wsidicom, open=DicomSlide),
    "ome-zarr 0.4": Case("zarr", ome_zarr(2, "cyx")),
    "ome-zarr 0.5": Case("zarr", ome_zarr(3, "tczyx")),
    "png": Case("raster", pillow("a.png", "RGB"), states=False),
    "png rgba": Case("raster", pillow("a.png", "RGBA"), states=False),
    "png grey": Case("raster", pillow("a.png", "L"), states=False, grey=True),
    "png palette": Case("raster", pillow("a.png", "P"), states=False, loss=20),
    "png 16 bits": Case("raster", png16, states=False),
    "jpeg": Case("raster", pillow("a.jpg", "RGB", quality=95), states=False, loss=6),
    "jpeg of another name": Case("raster", pillow("a.bin", "RGB", format="JPEG"), 9, states=False),
    "webp": Case("raster", pillow("a.webp", "RGB", lossless=True), states=False),
    "bmp": Case("raster", pillow("a.bmp", "RGB"), states=False),
}


@dataclass
class Made:
    case: Case
    source: Path | np.ndarray
    expected: np.ndarray

    def open(self) -> Slide:
        if self.case.states:
            return self.case.open(self.source)
        return self.case.open(self.source, mpp=MPP)


@pytest.fixture(scope="module", params=CASES)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, picture: np.ndarray
) -> Made:
    case = CASES[request.param]
    source = case.make(tmp_path_factory.mktemp("slide"), picture)
    expected = picture
    if case.grey:
        expected = np.repeat(np.asarray(Image.fromarray(picture).convert("L"))[..., None], 3, 2)
    return Made(case, source, expected)


@pytest.fixture
def slide(made: Made) -> Iterator[Slide]:
    with made.open() as opened:
        yield opened


def test_every_reader_has_a_case():
    assert {case.format for case in CASES.values()} == set(READERS)


def test_attributes(slide: Slide, made: Made):
    height, width = made.expected.shape[:2]
    assert slide.format == made.case.format
    assert slide.size == (width, height)
    assert slide.mpp == pytest.approx(MPP, rel=1e-4)
    assert slide.mpp_xy == pytest.approx((MPP, MPP), rel=1e-4)
    assert slide.bounds == (0, 0, width, height)
    assert (slide.levels[0].width, slide.levels[0].height) == slide.size
    assert slide.levels[0].downsample_x == slide.levels[0].downsample_y == 1
    if isinstance(made.source, Path):
        assert slide.name == made.source.name.partition(".")[0]
    assert slide.name in repr(slide)


def test_pixels(slide: Slide, made: Made):
    pixels = slide.read(0, 0, *slide.size)
    assert pixels.dtype == np.uint8
    difference = np.abs(pixels.astype(int) - made.expected)
    if made.case.loss == 0:
        assert difference.max() == 0
    else:
        assert difference.mean() <= made.case.loss


def test_missing_pixel_size_is_an_error_that_names_the_flag(made: Made):
    if made.case.states:
        with made.case.open(made.source) as slide:
            assert slide.mpp_source in ("file", "given")
    else:
        with pytest.raises(KaryoscopeError, match="--mpp"):
            made.case.open(made.source)


@pytest.mark.parametrize("mpp", [None, 0.25, 0.2, 0.31, 0.5, 0.6, 1.0, 1.3, 2.0])
def test_windows_agree_with_the_whole(slide: Slide, mpp: float | None):
    grid = slide.grid(mpp)
    whole = slide.read(0, 0, grid.width, grid.height, mpp=mpp)
    random = np.random.default_rng(0)
    for _ in range(8):
        x, y = int(random.integers(0, grid.width)), int(random.integers(0, grid.height))
        w = int(random.integers(1, grid.width - x + 1))
        h = int(random.integers(1, grid.height - y + 1))
        assert np.array_equal(slide.read(x, y, w, h, mpp=mpp), whole[y : y + h, x : x + w]), (
            x,
            y,
            w,
            h,
        )


def test_outside_is_white(slide: Slide):
    width, height = slide.size
    around = slide.read(-3, -2, width + 7, height + 5)
    assert np.array_equal(around[2 : 2 + height, 3 : 3 + width], slide.read(0, 0, width, height))
    around[2 : 2 + height, 3 : 3 + width] = 255
    assert (around == 255).all()
    assert (slide.read(10 * width, 0, 5, 4) == 255).all()
    assert slide.read(5, 5, 0, 3).shape == (3, 0, 3)
    with pytest.raises(KaryoscopeError, match="window"):
        slide.read(0, 0, -1, 4)


def test_halving_is_the_mean_of_four(slide: Slide):
    full = slide.read(0, 0, *slide.size)
    half = slide.read(0, 0, slide.size[0] // 2, slide.size[1] // 2, mpp=2 * slide.mpp)
    even = full[: half.shape[0] * 2, : half.shape[1] * 2].astype(float)
    mean = (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
    # A stored level may be rounded or compressed otherwise.
    assert np.abs(half - mean).mean() < (0.6 if full.std() else 0) + 4 * (len(slide.levels) > 1)


def test_result_belongs_to_the_caller(slide: Slide):
    first = slide.read(0, 0, 40, 30)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(slide.read(0, 0, 40, 30), kept)
    assert first.flags.c_contiguous


def test_thumbnail(slide: Slide, made: Made):
    rgb, scale = slide.thumbnail(100)
    assert max(rgb.shape[:2]) <= 100
    assert scale == np.ceil(max(slide.size) / 100)
    assert np.abs(rgb.mean((0, 1)) - made.expected.mean((0, 1))).max() < 12


def test_pickled_slide_is_reopened(slide: Slide):
    again = pickle.loads(pickle.dumps(slide))
    with again:
        assert again.mpp_xy == slide.mpp_xy
        assert again.name == slide.name
        assert np.array_equal(again.read(30, 20, 64, 50, 0.4), slide.read(30, 20, 64, 50, 0.4))


def test_threads_may_share_a_slide(slide: Slide):
    windows = [(x, y, 90, 80, 0.3) for x in range(0, 300, 60) for y in range(0, 200, 60)]
    alone = [slide.read(*window) for window in windows]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda window: slide.read(*window), windows))
    assert all(map(np.array_equal, alone, together))


def test_close_twice(made: Made):
    slide = made.open()
    size = slide.size
    slide.close()
    slide.close()
    # What was closed keeps no other from being opened.
    with made.open() as again:
        assert again.size == size
