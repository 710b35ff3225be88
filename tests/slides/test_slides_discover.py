"""Files, folders and globs."""

from __future__ import annotations

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.slides import find_slides, open_slide


@pytest.fixture
def folder(tmp_path):
    for name in ("b.svs", "a.PNG", "notes.txt", ".hidden.png", "._b.svs", "c.ome.tiff", "d.bin"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "e.tif").write_bytes(b"x")
    (tmp_path / "z.zarr").mkdir()
    (tmp_path / "z.zarr" / "inside.png").write_bytes(b"x")
    return tmp_path


def names(paths):
    return [path.name for path in paths]


def test_folder(folder):
    slides, problems = find_slides([folder])
    assert names(slides) == ["a.PNG", "b.svs", "c.ome.tiff", "z.zarr"]
    assert problems == []


def test_named_files_may_have_any_suffix(folder):
    slides, problems = find_slides([str(folder / "d.bin"), folder / "z.zarr"])
    assert names(slides) == ["d.bin", "z.zarr"]
    assert problems == []


def test_globs(folder):
    slides, problems = find_slides([f"{folder}/*.svs", f"{folder}/**/*.t*"])
    assert names(slides) == ["b.svs", "c.ome.tiff", "e.tif"]
    assert problems == []


def test_each_once(folder):
    slides, _ = find_slides([folder / "b.svs", folder, f"{folder}/b.*", folder / "deep/../b.svs"])
    assert names(slides) == ["a.PNG", "b.svs", "c.ome.tiff", "z.zarr"]


def test_links_to_one_file_are_slides_and_dangling_ones_are_named(folder):
    (folder / "first.svs").symlink_to(folder / "b.svs")
    (folder / "lost.svs").symlink_to(folder / "gone.svs")
    slides, problems = find_slides([folder])
    assert names(slides) == [
        *("a.PNG", "b.svs", "c.ome.tiff", "first.svs", "lost.svs", "z.zarr"),
    ]
    assert problems == []
    with pytest.raises(KaryoscopeError, match=r"lost\.svs is a link to .*gone\.svs, which is not"):
        open_slide(folder / "lost.svs")
    slides, (problem,) = find_slides([folder / "lost.svs"])
    assert slides == []
    assert "is a link to" in problem


def test_what_gives_nothing_is_reported(folder):
    empty = folder / "empty"
    empty.mkdir()
    slides, problems = find_slides([folder / "no.svs", f"{folder}/*.xyz", empty, folder / "b.svs"])
    assert names(slides) == ["b.svs"]
    assert [problem.removeprefix(str(folder)) for problem in problems] == [
        "/no.svs does not exist",
        "/*.xyz matches no slide",
        "/empty holds no slide",
    ]


def test_a_name_with_brackets_is_a_file_first(folder):
    path = folder / "scan[1].svs"
    path.write_bytes(b"x")
    assert find_slides([str(path)]) == ([path], [])


def test_a_folder_of_dicom_files_is_one_slide(tmp_path):
    pytest.importorskip("pydicom")
    from dicom_files import write_dicom

    rgb = np.full((60, 70, 3), 180, np.uint8)
    one = write_dicom(tmp_path / "one", rgb)
    assert find_slides([one]) == ([one], [])
    other = write_dicom(tmp_path / "other", rgb)
    for number in range(2):
        (other / f"{number}.dcm").rename(one / f"other{number}.dcm")
    assert names(find_slides([one])[0]) == ["0.dcm", "other0.dcm"]


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("karyoscope.slides.discover.slides_in_folder", refuse)
    assert find_slides([tmp_path]) == ([], [f"{tmp_path} cannot be read: Permission denied"])
