"""Twenty slides of which ten are damaged, each in another way: ten results, ten named errors."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from karyoscope.formats import read_parquet
from karyoscope.pipeline import prepare_model
from karyoscope.pipeline import segment as segment_array
from tiny_model import assert_same_nuclei


def write_slide(path: Path, rgb: np.ndarray, **options) -> Path:
    """A tiled JPEG at 0.5 µm/px, as scanners write them."""
    scale = {"resolution": (20000, 20000), "resolutionunit": "CENTIMETER"}
    form = {"tile": (128, 128), "compression": "jpeg", "photometric": "rgb"}
    tifffile.imwrite(path, rgb, **(form | scale | options))
    return path


def change_tag(path: Path, tag: str, values: list[int]) -> None:
    """Overwrite the values of a tag where they are."""
    with tifffile.TiffFile(path) as tif:
        found = tif.pages[0].tags[tag]
        width = {3: "H", 4: "I"}[int(found.dtype)]
        place = found.valueoffset
    with path.open("r+b") as file:
        file.seek(place)
        file.write(struct.pack(f"<{len(values)}{width}", *values))


def truncated(path, rgb):
    data = write_slide(path, rgb).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def nothing_but_zeros(path, rgb):
    path.write_bytes(bytes(len(write_slide(path, rgb).read_bytes())))


def wrong_magic(path, rgb):
    path.write_bytes(b"KK*\0" + write_slide(path, rgb).read_bytes()[4:])


def empty(path, rgb):
    path.touch()


def offsets_beyond_the_end(path, rgb):
    write_slide(path, rgb)
    change_tag(path, "TileOffsets", [4_000_000_000] * 6)


def one_broken_tile(path, rgb):
    write_slide(path, rgb)
    with tifffile.TiffFile(path) as tif:
        place = tif.pages[0].dataoffsets[1]
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes(200))


def every_tile_broken(path, rgb):
    write_slide(path, rgb)
    with tifffile.TiffFile(path) as tif:
        places = tif.pages[0].dataoffsets
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(bytes(200))


def no_pixel_size(path, rgb):
    Image.fromarray(rgb).save(path)


def absurd_size(path, rgb):
    write_slide(path, rgb)
    change_tag(path, "ImageWidth", [60_000] if _short(path, "ImageWidth") else [4_000_000_000])


def _short(path, tag):
    with tifffile.TiffFile(path) as tif:
        return int(tif.pages[0].tags[tag].dtype) == 3


def a_folder(path, rgb):
    path.mkdir()


DAMAGED = {
    "truncated.tif": (truncated, "is truncated: it ends at byte"),
    "zeros.tif": (nothing_but_zeros, "is not a slide: it is of no known image format"),
    "magic.tif": (wrong_magic, "is not a slide: it is of no known image format"),
    "empty.tif": (empty, "is empty"),
    "offsets.tif": (offsets_beyond_the_end, "is truncated: it ends at byte"),
    "tile.tif": (one_broken_tile, "no nuclei in 1 region that cannot be read"),
    "tiles.tif": (every_tile_broken, "damaged at x"),
    "no_scale.png": (no_pixel_size, "does not state its pixel size"),
    "absurd.tif": (absurd_size, "its tables list fewer tiles than"),
    "folder.tif": (a_folder, "is a folder, not a slide"),
}


@pytest.fixture
def batch(tmp_path, tissue):
    """Ten sound slides and ten damaged ones, in the order of their names."""
    sound = {f"sound_{i}.tif": np.roll(tissue, 31 * i, (0, 1)) for i in range(10)}
    for name, rgb in sound.items():
        write_slide(tmp_path / name, rgb)
    for name, (damage, _) in DAMAGED.items():
        damage(tmp_path / name, tissue)
    return sorted(tmp_path / name for name in [*sound, *DAMAGED])


def line_of(result, name: str) -> str:
    return next(line for line in result.lines if f"{name}: " in line or f"{name} is" in line)


@pytest.mark.slow
def test_ten_results_and_ten_errors(segment, batch, tiny_bundle, tissue, tmp_path):
    out = tmp_path / "out"
    result = segment(*batch, "--format", "parquet")
    assert result.code == 1
    assert result.lines[-1] == "karyoscope: 10 of 20 inputs failed or are incomplete"
    for name, (_, says) in DAMAGED.items():
        assert says in line_of(result, name)
    model = prepare_model(tiny_bundle, "cpu", 1)
    before = written(out)
    stems = {f"sound_{i}" for i in range(10)} | {"tile"}
    assert before.keys() == {stem + end for stem in stems for end in (".parquet", ".summary.json")}
    for i in range(10):
        assert_same_nuclei(
            read_parquet(out / f"sound_{i}.parquet"),
            segment_array(tmp_path / f"sound_{i}.tif", None, model),
        )

    # Those that failed are repaired, and only they are run again.
    for path in batch:
        if path.name in DAMAGED:
            path.rmdir() if path.is_dir() else path.unlink()
            write_slide(path, tissue)
    again = segment(*batch, "--format", "parquet", "--retry-failed")
    assert again.code == 0, again.err
    for i in range(10):
        assert line_of(again, f"sound_{i}.tif").endswith("with the same settings; nothing to do")
    after = written(out)
    assert len(after) == 40
    assert {name for name in before if after[name] != before[name]} == {
        "tile.parquet",
        "tile.summary.json",
    }
    whole = read_parquet(out / "tile.parquet")
    assert_same_nuclei(whole, read_parquet(out / "offsets.parquet"))


def written(out):
    """When each file of a slide was written; tables of the whole batch are written each time."""
    files = (path for path in out.iterdir() if path.stem != "cohort")
    return {path.name: path.stat().st_mtime_ns for path in files}
