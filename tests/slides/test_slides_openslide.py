"""Slides of vendors: bounds, transparency, levels at fractional downsamples."""

from __future__ import annotations

import numpy as np
import pytest
import slide_files as files

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import open_slide
from karyoscope.slides.openslide_reader import OpenSlideSlide


def test_mrxs_bounds_and_transparency(picture, tmp_path):
    with open_slide(files.write_mrxs(tmp_path / "a.mrxs", picture)) as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert slide.size == (8 * 256, 6 * 256)
        assert slide.bounds == (512, 256, 512, 512)
        assert slide.mpp == 0.25
        assert np.array_equal(slide.read(512, 256, 467, 331), picture)
        whole = slide.read(0, 0, *slide.size)
        whole[256 : 256 + 331, 512 : 512 + 467] = 255
        assert (whole == 255).all()


def test_what_is_sound_is_read_after_an_error(picture, tmp_path):
    path = files.write_mrxs(tmp_path / "a.mrxs", picture)
    pixels = tmp_path / "a" / "Data0000.dat"
    data = bytearray(pixels.read_bytes())
    start = data.find(b"\x89PNG") + 100
    data[start : start + 200] = bytes(200)
    pixels.write_bytes(data)
    with open_slide(path) as slide:
        for _ in range(2):
            with pytest.raises(KaryoscopeError, match=r"a\.mrxs: damaged near x 512, y 256: "):
                slide.read(512, 256, 20, 20)
            assert np.array_equal(slide.read(800, 300, 9, 9), picture[44:53, 288:297])


def test_scn_offset(picture, tmp_path):
    with open_slide(files.write_scn(tmp_path / "a.scn", picture)) as slide:
        assert slide.size == (4000, 3200)
        assert slide.bounds == (400, 200, 467, 331)
        assert slide.mpp == pytest.approx(0.25, rel=1e-3)
        inside = slide.read(400, 200, 467, 331).astype(int)
        assert np.abs(inside - picture).mean() < 6


def test_bif(picture, tmp_path):
    with open_slide(files.write_bif(tmp_path / "a.bif", picture)) as slide:
        assert isinstance(slide, OpenSlideSlide)
        # The format records whole tiles only.
        assert slide.size == (4 * 128, 3 * 128)
        assert slide.mpp == 0.25
        assert [level.downsample_x for level in slide.levels] == [1, 2]
        whole = slide.read(0, 0, *slide.size)
        assert np.abs(whole[:331, :467].astype(int) - picture).mean() < 6
        assert (whole[331:] == 255).all()
        assert (whole[:, 467:] == 255).all()
        half = slide.read(0, 0, 233, 165, mpp=0.5).astype(int)
        assert np.abs(half - files.halved(picture)).mean() < 6


def test_windows_agree_at_a_fractional_downsample(picture, tmp_path):
    """467 px halve to 233: OpenSlide's own regions of that level shift with their corner."""
    with open_slide(files.write_ndpi(tmp_path / "a.ndpi", picture)) as slide:
        assert isinstance(slide, OpenSlideSlide)
        assert not float(slide._slide.level_downsamples[1]).is_integer()
        assert slide.levels[1].downsample_x == 2
        grid = slide.grid(0.5)
        whole = slide.read(0, 0, grid.width, grid.height, mpp=0.5)
        for x, y, w, h in [(1, 1, 50, 60), (101, 57, 100, 100), (230, 160, 4, 6)]:
            window = slide.read(x, y, w, h, mpp=0.5)
            assert np.array_equal(window, whole[y : y + h, x : x + w])


def test_dicom_folder_and_file_are_one_slide(picture, tmp_path):
    pytest.importorskip("pydicom")
    from dicom_files import write_dicom

    folder = write_dicom(tmp_path / "patient.1", picture)
    with open_slide(folder) as whole, open_slide(folder / "1.dcm") as part:
        assert whole.name == "patient.1"
        assert part.name == "1"
        assert whole.size == part.size == (467, 331)
        assert [level.downsample_x for level in whole.levels] == [1, 2]
        assert np.array_equal(whole.read(9, 9, 99, 88), part.read(9, 9, 99, 88))
