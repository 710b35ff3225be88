"""Files that are no slides, and the check that nothing was written for them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "CMU-1-Small-Region.svs"


def cut(path: Path, source: Path, share: float) -> None:
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def tiff_at_72_dpi(path: Path) -> None:
    picture = np.full((64, 64, 3), 200, np.uint8)
    tifffile.imwrite(path, picture, resolution=(72, 72), resolutionunit="INCH", tile=(32, 32))


def cut_png(path: Path) -> None:
    whole = path.with_name("whole.png")
    Image.effect_noise((90, 90), 60).convert("RGB").save(whole)
    cut(path, whole, 0.6)


FILES = {
    "missing.svs": lambda path: None,
    "empty.svs": lambda path: path.write_bytes(b""),
    "truncated.svs": lambda path: cut(path, EXAMPLE, 0.7),
    "truncated.png": cut_png,
    "notes.txt": lambda path: path.write_text("blood and water\n"),
    "download.svs": lambda path: path.write_text("<!DOCTYPE html><html>404</html>"),
    "slides.zip": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(60)),
    "random.tif": lambda path: path.write_bytes(bytes(range(256))),
    "header.tif": lambda path: path.write_bytes(b"II*\0\x08\0\0\0"),
    "lonely.mrxs": lambda path: Image.new("RGB", (20, 20)).save(path, format="JPEG"),
    "empty_folder": lambda path: path.mkdir(),
    "bilevel.png": lambda path: Image.new("1", (9, 9)).save(path),
    "float.tif": lambda path: Image.new("F", (9, 9)).save(path),
    "five_channels.npy": lambda path: np.save(path, np.zeros((9, 9, 5), np.uint8)),
    "channels_first.npy": lambda path: np.save(path, np.zeros((3, 9, 9), np.uint8)),
    "no_pixels.npy": lambda path: np.save(path, np.zeros((0, 9, 3), np.uint8)),
    "circular.tif": lambda path: path.write_bytes(b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0"),
    "pipe.png": os.mkfifo,
    "counts.npy": lambda path: np.save(path, np.zeros((9, 9, 3), np.int64)),
}


def assert_nothing_written(folder: Path) -> None:
    assert not folder.exists() or list(folder.iterdir()) == []
