"""Metadata that were written for an image of another size."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tifffile

from karyoscope.slides import open_slide
from karyoscope.slides.described_size import doubt_by_aperio, doubt_by_ome

APERIO_OF = "Aperio Image Library v12\r\n{sizes} JPEG/RGB Q=70|AppMag = 20|MPP = 0.4990"
OME_OF = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
    '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="{width}"'
    ' SizeY="{height}" SizeC="3" SizeZ="1" SizeT="1" PhysicalSizeX="0.499" PhysicalSizeY="0.499">'
    '<Channel ID="Channel:0" SamplesPerPixel="3"/><TiffData IFD="0" PlaneCount="1"/></Pixels>'
    "</Image></OME>"
)


def descriptions(width: int, height: int) -> dict[str, str]:
    """Metadata of an image of this size, as scanners and converters word them."""
    size = f"{width}x{height}"
    return {
        "a.svs": APERIO_OF.format(sizes=f"{size} (256x256)"),
        "b.svs": APERIO_OF.format(sizes=f"46920x33014 [0,100 {size}] (256x256)"),
        "c.svs": APERIO_OF.format(sizes=f"46920x33014 [42673,5576 {size}] (240x240);46000x32914"),
        "a.ome.tif": OME_OF.format(width=width, height=height),
    }


@pytest.mark.parametrize("name", descriptions(1, 1))
@pytest.mark.parametrize("reduction", [1, 1.5, 2, 4, 16])
def test_a_reduced_image_does_not_keep_its_pixel_size_in_silence(tmp_path, name, reduction):
    """Law: of an image reduced by any factor, metadata of before are named, and no others are."""
    width, height = 640, 480
    pixels = np.full((round(height / reduction), round(width / reduction), 3), 200, np.uint8)
    text = descriptions(width, height)[name]
    tifffile.imwrite(tmp_path / name, pixels, photometric="rgb", description=text, metadata=None)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        open_slide(tmp_path / name).close()
    lines = [str(w.message) for w in found if w.category is UserWarning]
    assert len(lines) == (reduction > 1)
    assert all(f"for an image of {width} x {height} pixels" in line for line in lines)


def test_an_arrow_in_an_aperio_description_says_that_the_image_was_reduced(tmp_path):
    path, pixels = tmp_path / "a.svs", np.full((120, 160, 3), 200, np.uint8)
    text = APERIO_OF.format(sizes="700x500 [0,20 640x480] (256x256) -> 160x120")
    tifffile.imwrite(path, pixels, photometric="rgb", description=text, metadata=None)
    with pytest.warns(UserWarning, match="for an image of 640 x 480 pixels"):
        open_slide(path).close()


@pytest.mark.parametrize("size", ["0x0", "99999999999999999999x1 (1x1)", "many", "x", "->"])
def test_a_description_without_a_size_is_no_doubt(size):
    text = APERIO_OF.format(sizes=size)
    assert doubt_by_aperio("Aperio", 160, 120) == doubt_by_ome(None, 160, 120) == ""
    assert ("for an image of" in doubt_by_aperio(text, 160, 120)) == (size[0] in "09")
