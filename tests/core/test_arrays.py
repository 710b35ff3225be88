"""Images of Pillow and xarray as arrays."""

import numpy as np
import pytest
from PIL import Image

from karyoscope.core.arrays import array_of
from karyoscope.core.errors import KaryoscopeError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def test_pillow_images_of_every_mode():
    picture = Image.fromarray(PIXELS)
    assert np.array_equal(array_of(picture), PIXELS)
    assert np.array_equal(array_of(picture.convert("L")), np.asarray(picture.convert("L")))
    palette = picture.quantize(8)
    assert np.array_equal(array_of(palette), np.asarray(palette.convert("RGB")))
    for mode in ("CMYK", "YCbCr", "HSV", "1"):
        assert array_of(picture.convert(mode)).shape == (5, 7, 3)
    transparent = picture.convert("RGBA")
    transparent.putalpha(Image.fromarray(PIXELS[..., 0]))
    assert np.array_equal(array_of(transparent)[..., 3], PIXELS[..., 0])
    assert array_of(transparent.convert("LA")).shape == (5, 7, 4)
    deep = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 256)
    assert array_of(deep).dtype == np.uint16


def test_data_arrays_have_their_channels_anywhere():
    xarray = pytest.importorskip("xarray")
    plain = xarray.DataArray(PIXELS, dims=("y", "x", "c"))
    for dims in (("y", "x", "c"), ("c", "y", "x"), ("x", "c", "y")):
        assert np.array_equal(array_of(plain.transpose(*dims)), PIXELS)
    deeper = plain.expand_dims("z").rename(c="channel")
    assert np.array_equal(array_of(deeper), PIXELS)
    assert np.array_equal(array_of(plain.isel(c=0)), PIXELS[..., 0])
    with pytest.raises(KaryoscopeError, match="dimensions y, x and one of channels, not a, x, c"):
        array_of(plain.rename(y="a"))


def test_what_is_no_image_in_memory():
    assert array_of(PIXELS) is PIXELS
    for other in ("a.png", 3, None, [[1]]):
        assert array_of(other) is None
