"""One warning that says why a picture is not H&E, and none where it is."""

import re
import warnings

import numpy as np
import pytest
import tifffile

from karyoscope.pipeline import area_of
from karyoscope.slides import Tissue, open_slide
from made_tissue import made_tissue, on_glass

PICTURE = on_glass(made_tissue(300, 400), 40, 60, 80, 20)


def fluorescent() -> np.ndarray:
    """Blue nuclei on a dark, noisy ground."""
    dark = 255 - PICTURE.min(-1).astype(int)
    noise = np.random.default_rng(0).integers(0, 9, (*dark.shape, 3))
    noise[..., 2] += np.where(dark > 150, dark, 0)
    return noise.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("rgb", "words"),
    [
        (fluorescent(), "its ground is dark, as in fluorescence"),
        (255 - PICTURE, "its colours are inverted"),
        (255 - made_tissue(300, 400), "its colours are inverted"),
        (np.full((200, 300, 3), 255, np.uint8), "one colour alone, white, as where .* transparent"),
        (np.full((200, 300, 3), 127, np.uint8), "one colour alone$"),
        (PICTURE.min(-1, keepdims=True).repeat(3, -1), "grey, without any colour"),
        (PICTURE // 2, "nothing in it is brighter than 12[0-9] of 255"),
    ],
)
def test_what_is_not_he_is_named_once(rgb, words):
    with open_slide(rgb, 0.5) as slide, pytest.warns(UserWarning, match="H&E") as caught:
        area_of(slide, 0.5)
    (line,) = [str(w.message) for w in caught]
    assert line.startswith("this does not look like H&E: ")
    assert re.search(words, line)


@pytest.mark.parametrize(
    "rgb",
    [
        PICTURE,
        made_tissue(300, 400),
        on_glass(made_tissue(100, 150), 900, 900, 900, 900, ground=0, noise=0),
        on_glass(PICTURE, 900, 900, 900, 900, ground=4, noise=3),
        on_glass(made_tissue(100, 150), 900, 900, 900, 900, ground=255, noise=0),
    ],
    ids=["glass", "tile", "black padding", "noisy black padding", "white padding"],
)
def test_he_is_not_doubted(rgb):
    with open_slide(rgb, 0.5) as slide, warnings.catch_warnings():
        warnings.simplefilter("error")
        area = area_of(slide, 0.5)
        assert area.measure(area.on_grid) > 0
        assert Tissue.of(slide).doubt == ""


def test_the_example_slide_is_he(example_slide):
    with open_slide(example_slide) as slide:
        assert Tissue.of(slide).doubt == ""


def test_names_of_channels_tell_fluorescence(tmp_path):
    names = {"Name": ["TRITC", "FITC", "DAPI"]}
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "Channel": names}
    planes = np.moveaxis(PICTURE, -1, 0)
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, photometric="minisblack", metadata=metadata)
    with open_slide(tmp_path / "a.ome.tif") as slide:
        assert slide.channels == ("TRITC", "FITC", "DAPI")
        assert "fluorescence (TRITC, FITC, DAPI)" in Tissue.of(slide).doubt
    metadata["Channel"] = {"Name": ["Red", "Green", "Blue"]}
    tifffile.imwrite(tmp_path / "b.ome.tif", planes, photometric="minisblack", metadata=metadata)
    with open_slide(tmp_path / "b.ome.tif") as slide:
        assert Tissue.of(slide).doubt == ""


def test_swapped_red_and_blue_of_the_real_slide_are_named(example_slide):
    rgb = tifffile.imread(example_slide)
    swapped = np.ascontiguousarray(rgb[..., ::-1])
    with open_slide(swapped, 0.499) as slide, pytest.warns(UserWarning, match="BGR") as caught:
        area_of(slide, 0.5)
    assert len(caught) == 1
    with open_slide(rgb, 0.499) as slide:
        assert Tissue.of(slide).doubt == ""


def test_a_slide_too_large_for_its_picture_is_judged_at_the_scale_of_nuclei(example_slide):
    """At 8 µm/px nuclei are no pixels; colours are then looked at in places of 2 µm/px."""
    rgb = tifffile.imread(example_slide)[::2, ::2]
    large = np.tile(rgb, (6, 7, 1))
    for pixels, doubt in ((large, ""), (large[..., ::-1], "red and blue look swapped")):
        with open_slide(np.ascontiguousarray(pixels), 1.6) as slide:
            found = Tissue.of(slide)
        assert found.scale * 1.6 > 3
        assert doubt in found.doubt
        assert bool(found.doubt) == bool(doubt)


def test_swapped_images_of_many_sources_are_named_and_no_others(shared):
    """No image is mistaken, whatever its stain; most are recognised when they are swapped."""
    sources = {
        "lizard/Lizard_Images": 0.5,
        "consep/Train/Images": 0.25,
        "kumar/Train/Images": 0.25,
        "pannuke_breast25/images": 0.25,
        "monusac_mini/images": 0.25,
        "crchisto_sample": 0.5,
    }
    mistaken, found, images = [], 0, 0
    for folder, mpp in sources.items():
        paths = [
            path
            for path in sorted((shared / "data" / folder).rglob("*"))
            if path.suffix in (".png", ".webp")
        ]
        for path in paths[::4]:
            with open_slide(path, mpp) as slide:
                rgb = slide.read(0, 0, *slide.size)
                mistaken += [path.name] if "swapped" in Tissue.of(slide).doubt else []
            with open_slide(np.ascontiguousarray(rgb[..., ::-1]), mpp) as slide:
                found += "swapped" in Tissue.of(slide).doubt
            images += 1
    assert not mistaken
    assert found > 0.75 * images > 20
