"""How much real tissue is taken for ink, padding or grey, and how much ink is found.

python benchmarks/foreign.py [--vary NAME VALUE ...]

Images of ../shared/data are split by their source: thresholds are chosen on one half and reported
on the other. Printed are the share of stained pixels that `karyoscope.core.foreign` leaves out of
the statistics of colours, and the share of the tissue mask, at 2 µm/px, that is lost to it. Six
images show real ink: areas that are dark over a width that no nucleus has. Of these the share that
is found is printed. `--vary` prints the choosing half for each value of one threshold.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from karyoscope.core import foreign
from karyoscope.slides import tissue
from karyoscope.stains.tissue import tissue_share

DATA = Path(__file__).parents[2] / "shared" / "data"
#: Folders, and µm per pixel.
FOLDERS = {
    "lizard/Lizard_Images": 0.5,
    "lizard_from_overlays/Images": 0.5,
    "consep/Train/Images": 0.25,
    "kumar/Train/Images": 0.25,
    "crchisto_sample": 0.5,
    "monusac_mini/images": 0.25,
    "pannuke_breast25/images": 0.25,
    "redistributable/dsb2018/images": 0.25,
    "redistributable/nucls": 0.25,
}
#: Sources of the half on which thresholds are chosen; Lizard's images are named after theirs.
CHOOSING = ("consep", "glas", "monusac", "dsb2018")
#: Channel that the ink darkens, below what, and over how many µm, which is wider than dark nuclei
#: are; img12 and pannuke_27 show one field.
INK = {
    "consep/train_2": (1, 70, 12),
    "consep/train_12": (0, 150, 12),
    "consep/train_15": (0, 130, 8),
    "pannuke/pannuke_25": (1, 70, 12),
    "pannuke/pannuke_27": (1, 70, 12),
    "crchisto/img12": (1, 70, 12),
}
MASK_MPP = 2.0
#: Inks of pens, as they look on glass.
PENS = {
    "black": (20, 20, 24),
    "green": (10, 120, 60),
    "blue": (40, 70, 190),
    "turquoise": (0, 150, 160),
    "red": (210, 30, 45),
}
GLASS = 240


@dataclass(frozen=True)
class Picture:
    name: str
    source: str
    mpp: float
    rgb: np.ndarray


def pictures() -> Iterator[Picture]:
    for folder, mpp in FOLDERS.items():
        for path in sorted((DATA / folder).rglob("*")):
            if path.suffix not in (".png", ".webp", ".jpg", ".bmp") or "labels" in path.parts:
                continue
            part = path.stem.rpartition("_")[0] if folder.startswith("lizard") else folder
            source = part.split("/")[part.startswith("redistributable")].split("_")[0]
            name = f"{source}/{path.stem}"
            yield Picture(name, source, mpp, np.asarray(Image.open(path).convert("RGB")))


def ink_of(picture: Picture) -> np.ndarray | None:
    """Where an image shows ink: areas of its colour that are wider than any nucleus."""
    if picture.name not in INK:
        return None
    channel, below, wide_um = INK[picture.name]
    width = round(wide_um / picture.mpp)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    dark = cv2.medianBlur(np.ascontiguousarray(picture.rgb[..., channel]), 3) < below
    return cv2.morphologyEx(dark.astype(np.uint8), cv2.MORPH_OPEN, disc).astype(bool)


@contextmanager
def nothing_foreign() -> Iterator[None]:
    kept = {n: getattr(tissue, n) for n in ("foreign_pixels", "flat_grey", "ink_tinted")}
    for name in kept:
        setattr(tissue, name, lambda rgb: np.zeros(rgb.shape[:-1], bool))
    try:
        yield
    finally:
        for name, function in kept.items():
            setattr(tissue, name, function)


def left_out(picture: Picture) -> float:
    """Share of an image's stained pixels that do not enter the statistics of its colours."""
    flat = picture.rgb.reshape(-1, 3)
    stained = flat[tissue_share(flat) >= 1]
    return float(foreign.foreign_pixels(stained).mean()) if len(stained) else 0.0


def mask_lost(picture: Picture) -> float:
    """Share of the tissue mask that is lost to what is taken for ink, padding or grey."""
    by = picture.mpp / MASK_MPP
    small = cv2.resize(picture.rgb, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
    with nothing_foreign():
        whole = tissue.tissue_mask(small, MASK_MPP)
    kept = tissue.tissue_mask(small, MASK_MPP) & whole
    return 1 - kept.sum() / max(1, whole.sum())


def pens_found() -> dict[str, float]:
    """Share of strokes found: each ink 0.7 to 1.5 times as thick as it is meant."""
    found = {}
    for name, colour in PENS.items():
        through = np.array(colour) / GLASS
        strokes = [GLASS * through**thickness for thickness in np.linspace(0.7, 1.5, 9)]
        found[name] = float(foreign.foreign_pixels(np.rint(strokes).astype(np.uint8)).mean())
    return found


def line(label: str, images: list[Picture], masks: bool = True) -> None:
    clean = [picture for picture in images if picture.name not in INK]
    pixels = np.array([left_out(picture) for picture in clean])
    worst = clean[int(pixels.argmax())].name
    told = (
        f"{label:12} {len(clean):4} images: left out {pixels.mean():.2%}, most {pixels.max():.1%}"
    )
    told += f" ({worst})"
    if masks:
        lost = np.array([mask_lost(picture) for picture in clean])
        told += f"; of the mask {lost.mean():.2%}, most {lost.max():.1%}"
        told += f" ({clean[int(lost.argmax())].name})"
    print(told)
    for picture in images:
        area = ink_of(picture)
        if area is not None:
            share = foreign.foreign_pixels(picture.rgb)[area].mean()
            print(f"{'':12} ink of {picture.name}, {area.mean():.0%} of it: {share:.0%} found")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vary", nargs="+", metavar=("NAME", "VALUE"))
    vary = parser.parse_args().vary
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} does not exist")
    images = list(pictures())
    choosing = [p for p in images if p.source in CHOOSING]
    if vary:
        name, *values = vary
        for value in values:
            setattr(foreign, name, type(getattr(foreign, name))(float(value)))
            line(f"{name} {value}", choosing, masks=False)
            print(" " * 12, "pens", {pen: f"{share:.0%}" for pen, share in pens_found().items()})
        return
    print("Choosing half")
    line("all", choosing)
    print("Reporting half")
    reporting = [p for p in images if p.source not in CHOOSING]
    line("all", reporting)
    for source in sorted({p.source for p in reporting}):
        line(source, [p for p in reporting if p.source == source])
    print("Strokes of pens found:", {pen: f"{share:.0%}" for pen, share in pens_found().items()})


if __name__ == "__main__":
    main()
