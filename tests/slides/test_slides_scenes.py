"""Several images in one file: the largest is read with a word, another where it is asked for."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import slide_files as files
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import Scene, open_slide
from karyoscope.slides.base import slide_name
from karyoscope.slides.scenes import choose_scene, is_auxiliary


@pytest.fixture
def small(picture):
    return np.ascontiguousarray(picture[:300, :450])


def write_ome(path, *images, names=()):
    with tifffile.TiffWriter(path, ome=True) as file:
        for n, image in enumerate(images):
            name = {"Name": names[n]} if names else {}
            scale = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
            file.write(image, photometric="rgb", metadata={"axes": "YXS"} | scale | name)
    return path


def write_pages(path, *images):
    with tifffile.TiffWriter(path) as file:
        for image in images:
            file.write(image, photometric="rgb", metadata=None, **files.at_mpp(0.25))
    return path


def write_zarr(path, *images):
    zarr = pytest.importorskip("zarr")
    zarr.open_group(str(path), mode="w", zarr_format=2)
    for n, image in enumerate(images):
        files.write_ome_zarr(path / str(n), image)
    return path


WRITERS = {
    "a.ome.tif": write_ome,
    "a.tif": write_pages,
    "a.zarr": write_zarr,
}


@pytest.mark.parametrize("name", WRITERS)
def test_one_of_two_is_read_with_a_word(name, small, picture, tmp_path):
    path = WRITERS[name](tmp_path / name, small, picture)
    with pytest.warns(UserWarning, match=r"it holds 2 images: .*scene 2 is read, .*--scene"):
        slide = open_slide(path)
    with slide:
        assert slide.size == (467, 331)
        assert [(s.width, s.height) for s in slide.scenes] == [(450, 300), (467, 331)]
        assert slide.name == "a"


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("scene", [1, "1"])
def test_another_is_read_where_it_is_asked_for(name, scene, small, picture, tmp_path):
    path = WRITERS[name](tmp_path / name, small, picture)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        slide = open_slide(path, scene=scene)
    with slide:
        assert slide.name == "a.scene-1"
        assert np.array_equal(slide.read(0, 0, 450, 300), small)
        with pickle.loads(pickle.dumps(slide)) as again:
            assert np.array_equal(again.read(9, 9, 50, 40), slide.read(9, 9, 50, 40))


@pytest.mark.parametrize("name", WRITERS)
def test_a_scene_that_is_not_there_is_named(name, small, picture, tmp_path):
    path = WRITERS[name](tmp_path / name, small, picture)
    with pytest.raises(KaryoscopeError, match=r"has no scene '3'; it has 1 \(.*450 x 300\), 2 "):
        open_slide(path, scene=3)


def test_a_scene_by_name(small, picture, tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", small, picture, names=("left", "2"))
    with open_slide(path, scene="left") as slide:
        assert slide.size == (450, 300)
        assert slide.name == "a.scene-left"
    with open_slide(path, scene="2") as slide:
        assert slide.size == (467, 331)


@pytest.mark.parametrize("names", [("tissue", "macro image"), ("tissue", "label image")])
def test_a_label_or_macro_is_never_read_and_no_scene(names, small, picture, tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", small, picture, names=names)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        slide = open_slide(path)
    with slide:
        assert np.array_equal(slide.read(0, 0, *slide.size), small)


@pytest.mark.parametrize("kind", ["macro", "label"])
def test_a_region_of_an_aperio_slide_is_smaller_than_its_macro(kind, small, tmp_path):
    path = tmp_path / "a.svs"
    options = {"photometric": "rgb", "metadata": None}
    large = np.full((700, 900, 3), 230, np.uint8)
    with tifffile.TiffWriter(path) as file:
        text = files.APERIO.format(width=450, height=300)
        file.write(small, tile=(64, 64), description=text, **options)
        file.write(small[::4, ::4], rowsperstrip=16, description=text, **options)
        text = f"Aperio Image Library v12 \r\n{kind} 900x700"
        file.write(large, subfiletype=9, description=text, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        slide = open_slide(path)
    with slide:
        assert slide.mpp == 0.25
        assert np.array_equal(slide.read(0, 0, *slide.size), small)


def test_levels_as_images_of_their_own_are_no_scenes(picture, tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", picture, files.halved(picture), picture[::4, ::4])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        slide = open_slide(path)
    with slide:
        assert np.array_equal(slide.read(0, 0, *slide.size), picture)


def test_a_page_of_a_stack(picture, tmp_path):
    path = write_pages(tmp_path / "a.tif", picture, 255 - picture)
    with pytest.raises(KaryoscopeError, match=r"a stack of images .*choose one with --scene"):
        open_slide(path)
    with open_slide(path, scene=2) as slide:
        assert np.array_equal(slide.read(0, 0, *slide.size), 255 - picture)


def test_a_file_of_one_image_has_scene_1_alone(picture):
    with open_slide(picture, 0.5, scene=1) as slide:
        assert slide.size == (467, 331)
    with pytest.raises(KaryoscopeError, match=r"no scene '2'; it has 1 \(467 x 331\)"):
        open_slide(picture, 0.5, scene=2)


def test_a_folder_of_two_dicom_slides(picture, small, tmp_path):
    pytest.importorskip("pydicom")
    from dicom_files import write_dicom

    folder = write_dicom(tmp_path / "both", picture)
    for file in write_dicom(tmp_path / "other", small).iterdir():
        file.rename(folder / f"z{file.name}")
    with pytest.warns(UserWarning, match="it holds 2 images"), open_slide(folder) as slide:
        assert slide.size == (467, 331)
    with open_slide(folder, scene=2) as slide:
        assert slide.size == (450, 300)


def test_choosing():
    scenes = [Scene("1", 5, 5), Scene("", 9, 9), Scene("b", 9, 9)]
    assert choose_scene(scenes, None, "x") == 1
    assert choose_scene(scenes, "1", "x") == 0
    assert choose_scene(scenes, "b", "x") == choose_scene(scenes, 3, "x") == 2
    for wanted in (0, 4, -1, "", "c", "²"):
        with pytest.raises(KaryoscopeError):
            choose_scene(scenes, wanted, "x")


@pytest.mark.parametrize(
    ("name", "known"), [("macro image", True), ("Label", True), ("Macrophage", False), ("", False)]
)
def test_names_of_labels_and_macros(name, known):
    assert is_auxiliary(name) is known


def test_the_name_of_a_file_has_no_separators(tmp_path):
    assert slide_name(tmp_path / "a.ome.tif", "../x/y:z") == "a.scene-.._x_y_z"
