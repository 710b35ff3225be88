"""The pixel size: given, recorded, assumed, absurd, contradictory."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import slide_files as files
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import Level, open_slide
from karyoscope.slides.grid import check_levels, pyramid_level
from karyoscope.slides.scale import RecordedScale, Scale, resolve_scale
from karyoscope.slides.units import micrometres


def test_a_recorded_size_is_used_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stated = Scale((0.25, 0.26), "file")
        assert resolve_scale("a", None, RecordedScale((0.25, 0.26), 20)) == stated
        assert resolve_scale("a", 0.26, RecordedScale((0.25, 0.26))) == stated
        given = Scale((0.5, 0.5), "given")
        assert resolve_scale("a", 0.5, RecordedScale((353, 353))) == given
        assert resolve_scale("a", 0.5, RecordedScale(None, 20)) == given
        assert resolve_scale("a", None, RecordedScale(), 0.5) == given


@pytest.mark.parametrize(("objective", "mpp"), [(40, 0.25), (20, 0.5), (10, 1.0)])
def test_an_objective_alone_is_an_assumption_with_a_warning(objective, mpp):
    with pytest.warns(UserWarning, match=f"{objective}x.*assumed.*--mpp"):
        assert resolve_scale("a", None, RecordedScale(None, objective)) == Scale(
            (mpp, mpp), "objective"
        )


def test_a_given_size_is_for_files_that_state_none():
    with pytest.warns(UserWarning, match="states 0.25.*which is used.*--mpp 0.5.*--override-mpp"):
        scale = resolve_scale("a", 0.5, RecordedScale((0.25, 0.25)))
    assert scale == Scale((0.25, 0.25), "file")


def test_an_override_is_for_all_files():
    with pytest.warns(UserWarning, match="states 0.25.*0.5 is given to override it"):
        scale = resolve_scale("a", 0.4, RecordedScale((0.25, 0.25)), 0.5)
    assert scale == Scale((0.5, 0.5), "override")


def test_pixels_that_are_far_from_square_are_used_with_a_word():
    recorded = RecordedScale((0.5, 0.25))
    with pytest.warns(UserWarning, match=r"pixels that are not square \(0.5 x 0.25 µm\)"):
        assert resolve_scale("a.tif", None, recorded) == Scale((0.5, 0.25), "file")


def test_a_given_size_that_the_objective_contradicts():
    with pytest.warns(UserWarning, match="objective .40x.* about 0.25.*0.5 is used"):
        scale = resolve_scale("a", 0.5, RecordedScale(None, 40))
    assert scale == Scale((0.5, 0.5), "given")


@pytest.mark.parametrize("given", [0, -0.5, 0.0005, 0.049, 2.01, float("nan"), float("inf")])
def test_an_absurd_given_size_is_an_error(given):
    with pytest.raises(KaryoscopeError, match=r"--mpp.*not a pixel size"):
        resolve_scale("a", given, RecordedScale((0.25, 0.25)))
    with pytest.raises(KaryoscopeError, match=r"--override-mpp.*not a pixel size"):
        resolve_scale("a", None, RecordedScale((0.25, 0.25)), given)


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        (RecordedScale(), "does not state its pixel size; give it with --mpp"),
        (RecordedScale((353.0, 353.0)), "state 353 µm per pixel.*--mpp"),
        (RecordedScale((0.025, 0.025)), "state 0.025 µm per pixel.*--mpp"),
        (RecordedScale((0.0, 0.0)), "state 0 µm per pixel.*--mpp"),
        (RecordedScale((float("nan"), 0.5)), "--mpp"),
        (RecordedScale(None, 0.0), "--mpp"),
        (RecordedScale(None, 2.5), "--mpp"),
    ],
)
def test_no_plausible_size_is_an_error_that_names_the_flag(recorded, words):
    with pytest.raises(KaryoscopeError, match=f"^slide.svs: .*{words}"):
        resolve_scale("slide.svs", None, recorded)


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
            r"states 0\.25 µm/px, but 0\.5 by its resolution tags; 0\.25 is used,"
            " give --override-mpp",
            0.25,
        ),
        (
            {"description": "Aperio X|AppMag = 40|MPP = 0.5"},
            r"states 0\.5 µm/px, but 40x, which is about 0\.25; 0\.5 is used, give --override-mpp",
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
        open_slide(path, override_mpp=mpp).close()


@pytest.mark.parametrize(
    ("options", "mpp"),
    [
        ({"description": "Aperio X|AppMag = 20|MPP = 0.4990"} | files.at_mpp(0.5), 0.499),
        # 72 dpi is no statement about a microscope.
        (
            {
                "description": "Aperio X|MPP = 0.25",
                "resolution": (72, 72),
                "resolutionunit": "INCH",
            },
            0.25,
        ),
    ],
)
def test_metadata_that_agree(tmp_path, options, mpp):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_slide(write(tmp_path / "a.svs", **options)) as slide:
            assert slide.mpp == mpp


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
    with pytest.warns(UserWarning, match=r"not square \(0.25 x 0.5 µm\)"):
        opened = open_slide(path)
    with opened as slide:
        assert slide.mpp_xy == pytest.approx((0.25, 0.5))
        grid = slide.grid(0.5)
        assert (grid.width, grid.height) == (24, 32)
        assert (grid.scale_x, grid.scale_y) == (2, 1)


UNITS = {
    "µm": 0.5,
    "μm": 0.5,
    "um": 0.5,
    "micron": 0.5,
    "microns": 0.5,
    "Microns": 0.5,
    "micrometre": 0.5,
    "micrometers": 0.5,
    "nm": 500,
    "Å": 5000,
    "\u212b": 5000,
    "pm": 5e5,
    "mm": 5e-4,
    "cm": 5e-5,
    "m": 5e-7,
    "inch": 0.5 / 25_400,
    "in": 0.5 / 25_400,
}


@pytest.mark.parametrize("unit", UNITS)
def test_units(unit):
    assert UNITS[unit] * micrometres(unit) == pytest.approx(0.5)


@pytest.mark.parametrize("unit", ["pixel", "reference frame", "", "s", "inches of mercury"])
def test_what_is_no_unit_of_length_is_none(unit):
    assert micrometres(unit) is None


@pytest.mark.parametrize("unit", ["um", "micron", "microns", "\\u00B5m", "nm", "mm", "cm", "inch"])
def test_imagej_unit(tmp_path, unit):
    path = tmp_path / "a.tif"
    pixels = np.full((32, 48, 3), 200, np.uint8)
    size = UNITS[unit.replace("\\u00B5", "µ")]
    tifffile.imwrite(
        path, pixels, imagej=True, resolution=(1 / size, 1 / size), metadata={"unit": unit}
    )
    with open_slide(path) as slide:
        assert slide.mpp == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("unit", "size"),
    [(None, 0.5), *((u, UNITS[u]) for u in ("µm", "nm", "mm", "Å", "pm", "cm", "m", "in"))],
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
    with pytest.raises(
        KaryoscopeError, match=r"352\.778.*no plausible pixel size of a microscope.*--mpp"
    ):
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


def test_a_smaller_level_states_how_much_smaller_it_is():
    first = Level(1000, 800)
    check_levels("Mine", [first, pyramid_level((1000, 800), 500, 400)])
    with pytest.raises(KaryoscopeError, match=r"Mine: level 1 is 500 pixels wide.*pyramid_level"):
        check_levels("Mine", [first, Level(500, 400)])
    with pytest.raises(KaryoscopeError, match="set no levels"):
        check_levels("Mine", [])


def ome(path, objectives, settings=""):
    listed = "".join(
        f'<Objective ID="O:{n}" NominalMagnification="{power}"/>'
        for n, power in enumerate(objectives)
    )
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Instrument ID="I:0">{listed}</Instrument><Image ID="Image:0">{settings}'
        '<Pixels ID="P:0" DimensionOrder="XYCZT" Type="uint8" SizeX="60" SizeY="40" SizeC="3"'
        ' SizeZ="1" SizeT="1"><Channel ID="C:0" SamplesPerPixel="3"/><TiffData/></Pixels>'
        "</Image></OME>"
    )
    pixels = np.full((40, 60, 3), 200, np.uint8)
    tifffile.imwrite(path, pixels, photometric="rgb", description=text, metadata=None)
    return path


def test_the_objective_of_the_image_counts_of_several(tmp_path):
    path = ome(tmp_path / "a.ome.tif", (40, 20), '<ObjectiveSettings ID="O:1"/>')
    with pytest.warns(UserWarning, match="20x.*assumed"), open_slide(path) as slide:
        assert slide.mpp == 0.5
    with pytest.warns(UserWarning, match="40x.*assumed"):
        open_slide(ome(tmp_path / "b.ome.tif", (40, 40))).close()
    with pytest.raises(KaryoscopeError, match="does not state its pixel size"):
        open_slide(ome(tmp_path / "c.ome.tif", (40, 20)))
