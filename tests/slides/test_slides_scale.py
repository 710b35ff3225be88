"""The pixel size: given, recorded, assumed, absurd, contradictory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import slide_files as files
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import open_slide
from karyoscope.slides.scale import RecordedScale, resolve_mpp


def test_a_recorded_size_is_used_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_mpp("a", None, RecordedScale((0.25, 0.26), 20)) == (0.25, 0.26)
        assert resolve_mpp("a", 0.26, RecordedScale((0.25, 0.25))) == (0.26, 0.26)
        assert resolve_mpp("a", 0.5, RecordedScale((353, 353))) == (0.5, 0.5)


@pytest.mark.parametrize(("objective", "mpp"), [(40, 0.25), (20, 0.5), (10, 1.0)])
def test_an_objective_alone_is_an_assumption_with_a_warning(objective, mpp):
    with pytest.warns(UserWarning, match=f"{objective}x.*assumed.*--mpp"):
        assert resolve_mpp("a", None, RecordedScale(None, objective)) == (mpp, mpp)


def test_contradiction_is_a_warning():
    with pytest.warns(UserWarning, match="states 0.25.*0.5 is used"):
        assert resolve_mpp("a", 0.5, RecordedScale((0.25, 0.25))) == (0.5, 0.5)


@pytest.mark.parametrize("given", [0, -0.5, 2.01, float("nan"), float("inf")])
def test_an_absurd_given_size_is_an_error(given):
    with pytest.raises(KaryoscopeError, match=r"--mpp.*not a pixel size"):
        resolve_mpp("a", given, RecordedScale((0.25, 0.25)))


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        (RecordedScale(), "does not state its pixel size; give it with --mpp"),
        (RecordedScale((353.0, 353.0)), "state 353 µm per pixel.*--mpp"),
        (RecordedScale((0.0, 0.0)), "state 0 µm per pixel.*--mpp"),
        (RecordedScale((float("nan"), 0.5)), "--mpp"),
        (RecordedScale(None, 0.0), "--mpp"),
        (RecordedScale(None, 2.5), "--mpp"),
    ],
)
def test_no_plausible_size_is_an_error_that_names_the_flag(recorded, words):
    with pytest.raises(KaryoscopeError, match=f"^slide.svs: .*{words}"):
        resolve_mpp("slide.svs", None, recorded)


def write(path, **options):
    pixels = np.full((32, 48, 3), 200, np.uint8)
    tifffile.imwrite(path, pixels, **({"metadata": None, "tile": (16, 16)} | options))
    return path


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}, 0.5),
        ({"resolution": (50_800, 50_800), "resolutionunit": "INCH"}, 0.5),
        ({"description": "Aperio X\r\n48x32 (16x16)|AppMag = 20|MPP = 0.4990"}, 0.499),
        ({"description": "Aperio X\r\n48x32 (16x16)|AppMag = 40|MPP = 0,2525"}, 0.2525),
        # Aperio's own statement comes before the resolution tags.
        ({"description": "Aperio X|MPP = 0.38"} | files.at_mpp(0.4), 0.38),
    ],
)
def test_tiff_metadata(tmp_path, options, mpp):
    with open_slide(write(tmp_path / "a.tif", **options)) as slide:
        assert slide.mpp == pytest.approx(mpp, rel=1e-3)


@pytest.mark.parametrize(
    ("options", "words", "mpp"),
    [
        (
            {"description": "Aperio X|MPP = 0.25"} | files.at_mpp(0.5),
            r"states 0\.25 µm/px, but 0\.5 by its resolution tags; 0\.25 is used, give --mpp",
            0.25,
        ),
        (
            {"description": "Aperio X|AppMag = 40|MPP = 0.5"},
            r"states 0\.5 µm/px, but 40x, which is about 0\.25; 0\.5 is used, give --mpp",
            0.5,
        ),
    ],
)
def test_metadata_that_contradict_themselves(tmp_path, options, words, mpp):
    path = write(tmp_path / "a.svs", **options)
    with pytest.warns(UserWarning, match=words), open_slide(path) as slide:
        assert slide.mpp == mpp
    # Whoever says which is right is not warned of that again.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_slide(path, mpp=mpp).close()


@pytest.mark.parametrize(
    "options",
    [
        {"description": "Aperio X|AppMag = 20|MPP = 0.4990"} | files.at_mpp(0.5),
        # 72 dpi is no statement about a microscope.
        {"description": "Aperio X|MPP = 0.25", "resolution": (72, 72), "resolutionunit": "INCH"},
    ],
)
def test_metadata_that_agree(tmp_path, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_slide(write(tmp_path / "a.svs", **options)).close()


@pytest.mark.parametrize("kind", ["tiff", "ome", "zarr"])
def test_pixels_that_are_not_square(tmp_path, kind):
    """0.25 µm across and 0.5 µm down: both are kept, and the grid is square in µm."""
    pixels = np.full((32, 48, 3), 200, np.uint8)
    if kind == "tiff":
        options = {"resolution": (40_000, 20_000), "resolutionunit": "CENTIMETER"}
        path = write(tmp_path / "a.tif", **options)
    elif kind == "ome":
        path = tmp_path / "a.ome.tif"
        metadata = {"axes": "YXS", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5}
        tifffile.imwrite(path, pixels, ome=True, photometric="rgb", metadata=metadata)
    else:
        pytest.importorskip("zarr")
        path = files.write_ome_zarr(tmp_path / "a.zarr", pixels, mpp=(0.25, 0.5))
    with open_slide(path) as slide:
        assert slide.mpp_xy == pytest.approx((0.25, 0.5))
        grid = slide.grid(0.5)
        assert (grid.width, grid.height) == (24, 32)
        assert (grid.scale_x, grid.scale_y) == (2, 1)


def test_imagej_unit(tmp_path):
    path = tmp_path / "a.tif"
    pixels = np.full((32, 48, 3), 200, np.uint8)
    tifffile.imwrite(path, pixels, imagej=True, resolution=(2, 2), metadata={"unit": "um"})
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("unit", "size"), [("µm", 0.5), ("nm", 500.0), ("mm", 0.0005), (None, 0.5)]
)
def test_ome_units(tmp_path, unit, size):
    metadata = {"axes": "YXS", "PhysicalSizeX": size, "PhysicalSizeY": size}
    if unit:
        metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    path = tmp_path / "a.ome.tif"
    pixels = np.full((32, 48, 3), 200, np.uint8)
    tifffile.imwrite(path, pixels, ome=True, photometric="rgb", metadata=metadata)
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx(0.5)


def test_aperio_with_its_objective_alone(tmp_path):
    path = write(tmp_path / "a.svs", description="Aperio X\r\n48x32|AppMag = 40")
    with (
        pytest.warns(UserWarning, match=r"a\.svs.*40x.*0\.25 µm/px is assumed"),
        open_slide(path) as s,
    ):
        assert s.mpp == 0.25


def test_warnings_point_at_the_caller(tmp_path):
    path = write(tmp_path / "a.svs", description="Aperio X\r\n48x32|AppMag = 40")
    with pytest.warns(UserWarning, match="assumed") as caught:
        open_slide(path)
    assert caught[0].filename == __file__


def test_dots_per_inch_of_a_screen_are_not_a_pixel_size(tmp_path):
    path = write(tmp_path / "a.tif", resolution=(72, 72), resolutionunit="INCH")
    with pytest.raises(KaryoscopeError, match=r"352\.778.*not a microscope's.*--mpp"):
        open_slide(path)
    with open_slide(path, mpp=0.5) as slide:
        assert slide.mpp == 0.5


def test_a_reopened_slide_does_not_warn_again(tmp_path):
    import pickle

    path = write(tmp_path / "a.svs", description="Aperio X\r\n48x32|AppMag = 40")
    with pytest.warns(UserWarning, match="assumed"):
        slide = open_slide(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pickle.loads(pickle.dumps(slide)).mpp == 0.25
