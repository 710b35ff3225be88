"""Levels of a pyramid that show another picture than level 0 are found, and not read."""

import pickle
import warnings

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from slide_files import at_mpp

from karyoscope.slides import Slide, Tissue, open_slide
from karyoscope.slides.grid import pyramid_level
from karyoscope.slides.scale import RecordedScale


@pytest.fixture(scope="module")
def tissue(example_slide) -> np.ndarray:
    """Real tissue with glass on both sides of it, (1200, 1600, 3)."""
    whole = tifffile.imread(example_slide)
    return np.ascontiguousarray(whole[600:1800, 300:1900])


def reduced(rgb: np.ndarray, factor: int) -> np.ndarray:
    height, width = rgb.shape[0] // factor, rgb.shape[1] // factor
    whole = rgb[: height * factor, : width * factor]
    return cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def compressed(rgb: np.ndarray, quality: int) -> np.ndarray:
    return imagecodecs.jpeg_decode(
        imagecodecs.jpeg_encode(np.ascontiguousarray(rgb), level=quality, subsampling="420")
    )


class Levels(Slide):
    """A pyramid in memory that counts the pixels that are read."""

    format = "levels"

    def __init__(self, *pictures: np.ndarray) -> None:
        self.path, self.name, self.pictures, self.pixels = None, "made", pictures, 0
        self._start(0.25)

    @classmethod
    def recognises(cls, path, head):
        return False

    def _open(self):
        height, width = self.pictures[0].shape[:2]
        sizes = [picture.shape[1::-1] for picture in self.pictures]
        self.levels = [pyramid_level((width, height), *size) for size in sizes]

    def _recorded_scale(self):
        return RecordedScale()

    def _read_level(self, level, x, y, width, height):
        self.pixels += width * height
        return self.pictures[level][y : y + height, x : x + width].copy()


#: What a level may be instead of level 0 made smaller, and how that is called.
WRONG = {
    "mirrored": (lambda small: small[:, ::-1], "another picture"),
    "flipped": (lambda small: small[::-1], "another picture"),
    "rotated": (lambda small: small[::-1, ::-1], "another picture"),
    "shifted": (lambda small: np.roll(small, 9, 1), "is shifted against"),
    "far": (lambda small: np.roll(small, 60, 0), "another picture"),
    "blank": (lambda small: np.full_like(small, 243), "is blank where there is tissue"),
    "black": (lambda small: np.zeros_like(small), "is blank where there is tissue"),
    "noisy": (
        lambda small: np.random.default_rng(0).normal(240, 2, small.shape).astype(np.uint8),
        "is blank|another picture",
    ),
    "half": (
        lambda small: np.hstack([small[:, :100], np.full_like(small[:, 100:], 243)]),
        "is blank|another picture",
    ),
}

#: Other ways to make a level, all of which are right.
RIGHT = {
    "averaged": lambda rgb, n: reduced(rgb, n),
    "much compressed": lambda rgb, n: compressed(reduced(rgb, n), 20),
    "pixels left out": lambda rgb, n: compressed(rgb[n // 2 :: n, n // 2 :: n], 50),
    "a pixel off": lambda rgb, n: np.roll(reduced(rgb, n), 1, 1),
    "interpolated, size rounded up": lambda rgb, n: cv2.resize(
        rgb, (-(-rgb.shape[1] // n), -(-rgb.shape[0] // n)), interpolation=cv2.INTER_CUBIC
    ),
    "brighter": lambda rgb, n: np.clip(reduced(rgb, n).astype(int) + 12, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("factor", [2, 4])
def test_a_level_that_shows_something_else_is_named_and_not_read(tissue, kind, factor):
    change, words = WRONG[kind]
    right = reduced(tissue, factor), reduced(tissue, 8)
    slide = Levels(tissue, change(right[0]), right[1])
    with pytest.warns(UserWarning, match=f"made: level 1 .*{words}") as caught:
        rgb = slide.read_reduced(0, 0, 200, 150, factor)
    assert np.abs(rgb.astype(int) - reduced(tissue, factor)[:150, :200]).max() <= 1
    assert len(caught) == 1
    assert slide.distrusted == {1}


def test_the_tissue_is_that_of_level_0_where_all_others_are_of_another_slide(tissue):
    other = np.rot90(tissue, 2)
    slide = Levels(tissue, *(reduced(other, n) for n in (2, 4, 8)))
    with pytest.warns(UserWarning, match="level 1 .*; level 2 .*; level 3 .*these levels are not"):
        found = Tissue.of(slide)
    alone = Tissue.of(Levels(tissue))
    assert found.scale == alone.scale == 8
    assert (found.mask == alone.mask).mean() > 0.999


@pytest.mark.parametrize("kind", RIGHT)
def test_levels_made_in_any_honest_way_agree(tissue, kind):
    """Law: no false alarm, whatever made the levels, and the level itself is read."""
    for crop in (tissue, tissue[:-3, :-5], tissue[:700, :500]):
        levels = [RIGHT[kind](crop, n) for n in (2, 4, 8)]
        slide = Levels(crop, *levels)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert slide.distrusted == frozenset()


def test_blank_glass_says_nothing():
    rng = np.random.default_rng(1)

    def glass(height, width):
        return rng.normal(238, 1.5, (height, width, 3)).astype(np.uint8)

    assert Levels(glass(900, 1200), glass(450, 600), glass(225, 300)).distrusted == frozenset()


def test_a_slide_of_one_level_is_not_looked_at(tissue):
    slide = Levels(tissue)
    assert slide.distrusted == frozenset()
    assert slide.pixels == 0


def test_level_0_is_read_without_a_look_at_the_others(tissue):
    slide = Levels(tissue, reduced(tissue, 4)[::-1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slide.read(0, 0, 50, 50)
    assert slide.pixels == 50 * 50


def test_what_is_read_for_the_comparison_does_not_grow_with_the_slide(tissue):
    read = []
    for times in (2, 4):
        large = np.tile(tissue, (times, times, 1))
        slide = Levels(large, *(reduced(large, n) for n in (4, 16)))
        assert slide.distrusted == frozenset()
        read.append(slide.pixels)
    assert max(read) < 6_000_000
    assert read[1] < 1.2 * read[0]


def test_the_answer_goes_with_a_slide_to_other_processes(tmp_path, tissue):
    path = write_tiff(tmp_path / "a.tif", tissue, reduced(tissue, 4)[::-1])
    with open_slide(path, 0.25) as slide:
        with pytest.warns(UserWarning, match="level 1"):
            slide.thumbnail(400)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pickle.loads(pickle.dumps(slide)) as copy:
                assert copy.distrusted == {1}
                assert np.array_equal(copy.thumbnail(400)[0], slide.thumbnail(400)[0])


def write_tiff(path, *levels):
    with tifffile.TiffWriter(path) as file:
        for number, pixels in enumerate(levels):
            file.write(
                np.ascontiguousarray(pixels),
                subfiletype=int(number > 0),
                tile=(256, 256),
                photometric="rgb",
                compression="jpeg",
                metadata=None,
                **at_mpp(0.25 * levels[0].shape[1] / pixels.shape[1]),
            )
    return path


def write_svs(path, *levels):
    """Aperio's order: level 0, thumbnail, the other levels."""
    height, width = levels[0].shape[:2]
    said = f"Aperio Image Library v11\r\n{width}x{height} (256x256) JPEG|AppMag = 40|MPP = 0.25"
    with tifffile.TiffWriter(path) as file:
        for pixels, tile in ((levels[0], (256, 256)), (levels[-1], None)):
            file.write(pixels, tile=tile, photometric="rgb", description=said, metadata=None)
        for pixels in levels[1:]:
            pixels = np.ascontiguousarray(pixels)
            file.write(pixels, tile=(256, 256), photometric="rgb", description=said, metadata=None)
    return path


def write_ome(path, *levels):
    size = {f"PhysicalSize{axis}": 0.25 for axis in "XY"}
    with tifffile.TiffWriter(path, ome=True) as file:
        for number, pixels in enumerate(levels):
            options = {"subfiletype": 1} if number else {"subifds": len(levels) - 1}
            metadata = None if number else {"axes": "YXS", **size}
            pixels = np.ascontiguousarray(pixels)
            file.write(pixels, tile=(256, 256), photometric="rgb", metadata=metadata, **options)
    return path


def write_ndpi(path, *levels):
    with tifffile.TiffWriter(path) as file:
        for number, pixels in enumerate(levels):
            lens = 40.0 * pixels.shape[1] / levels[0].shape[1]
            tags = [(271, 2, 0, "Hamamatsu", True), (65420, 4, 1, 1, True)]
            tags += [(65421, 11, 1, lens, True), (65424, 9, 1, 0, True)]
            file.write(
                np.ascontiguousarray(pixels),
                photometric="rgb",
                compression="jpeg",
                compressionargs={"level": 95},
                rowsperstrip=pixels.shape[0],
                metadata=None,
                extratags=tags,
                **at_mpp(0.25 * 4**number),
            )
    return path


def write_zarr(path, *levels):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = []
    for number, pixels in enumerate(levels):
        shape = pixels.shape
        array = group.create_array(str(number), shape=shape, chunks=(256, 256, 3), dtype="uint8")
        array[:] = pixels
        scale = [0.25 * 4**number, 0.25 * 4**number, 1]
        datasets.append(
            {
                "path": str(number),
                "coordinateTransformations": [{"type": "scale", "scale": scale}],
            }
        )
    axes.append({"name": "c", "type": "channel"})
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": datasets}]
    return path


WRITERS = {
    "a.tif": write_tiff,
    "a.svs": write_svs,
    "a.ome.tif": write_ome,
    "a.ndpi": write_ndpi,
    "a.zarr": write_zarr,
}


@pytest.mark.parametrize("name", WRITERS)
def test_levels_are_compared_in_every_format(tmp_path, tissue, name):
    levels = tissue, reduced(tissue, 4)
    (tmp_path / "right").mkdir()
    right = WRITERS[name](tmp_path / "right" / name, *levels)
    wrong = WRITERS[name](tmp_path / name, levels[0], levels[1][::-1])
    with warnings.catch_warnings(), open_slide(right) as slide:
        warnings.simplefilter("error")
        assert len(slide.levels) >= 2
        expected = slide.thumbnail(400)[0]
    with open_slide(wrong) as slide, pytest.warns(UserWarning, match=r"level \d .*another picture"):
        found = slide.thumbnail(400)[0]
    # Level 0 reduced differs from level 1 by its compression alone.
    assert np.abs(found.astype(int) - expected).mean() < 3
