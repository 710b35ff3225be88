"""How many good cells are flagged by quality control, and how many known faults are found.

python benchmarks/quality.py [--vary NAME VALUE ...]

Images of ../shared/data (those of `foreign.py`, at least 96 µm wide) and the shipped slide are
divided by their source: thresholds of `karyoscope.slides.quality.rules` were chosen on one half and
are reported on the other. Clean images give the false alarms: cells of 32 µm with tissue that are
flagged; the six images with real ink are not among them. Faults are made on the same
images: blur of known width; strokes of pen; a strip of 64 µm in which the densities of the
tissue and its mirror image add, as in a fold; brightness beyond the range; the eosin
replaced by DAB or aniline blue; a ring of air. The share of affected cells that are flagged is
printed. `--vary` prints the choosing half for each value of one threshold. Bubbles and folds are
drawn, not real: no image with a real one was available.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator

import cv2
import numpy as np

import foreign
from karyoscope.core.faults import KINDS
from karyoscope.core.staining import DECADIC_DENSITY, EOSIN, HAEMATOXYLIN, unit_rows
from karyoscope.slides import Tissue, open_slide
from karyoscope.slides.quality import Quality, rules
from karyoscope.slides.quality.sums import CELL, PIXEL_UM, cell_sums

DAB, ANILINE = (0.27, 0.57, 0.78), (0.83, 0.49, 0.26)
#: Chosen where blur began to cost nuclei; see docs/features.md.
SIGMAS = (0.5, 1.0, 1.5, 2.0, 3.0)
EXAMPLE = foreign.Path(__file__).parents[1] / "examples" / "CMU-1-Small-Region.svs"

Fault = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray] | None]
"""Image and µm per pixel -> the image with a fault, and where it is; None where it does not fit."""


def everywhere(change: Callable[[np.ndarray, float], np.ndarray]) -> Fault:
    return lambda rgb, mpp: (change(rgb, mpp), np.ones(rgb.shape[:2], np.uint8))


def from_density(density: np.ndarray) -> np.ndarray:
    return np.clip(255 * 10**-density, 0, 255).round().astype(np.uint8)


def blurred(sigma_um: float) -> Fault:
    return everywhere(lambda rgb, mpp: cv2.GaussianBlur(rgb, (0, 0), sigma_um / mpp))


def inked(colour: tuple[int, int, int]) -> Fault:
    def fault(rgb: np.ndarray, mpp: float) -> tuple[np.ndarray, np.ndarray]:
        stroke, (height, width) = np.zeros(rgb.shape[:2], np.uint8), rgb.shape[:2]
        ends = (width // 6, height // 3), (5 * width // 6, height // 2)
        cv2.line(stroke, *ends, 1, round(60 / mpp))
        through = np.array(colour) / foreign.GLASS
        picture = np.where(stroke[..., None] > 0, rgb * through, rgb)
        return picture.round().astype(np.uint8), stroke

    return fault


def folded(width_um: float) -> Fault:
    def fault(rgb: np.ndarray, mpp: float) -> tuple[np.ndarray, np.ndarray] | None:
        cell = CELL * max(1, round(PIXEL_UM / mpp))
        width = round(width_um / mpp / cell) * cell
        left = rgb.shape[1] // 2 // cell * cell
        if rgb.shape[1] < 6 * width:
            return None  # a fold is a small part of a slide
        density = DECADIC_DENSITY[rgb]
        density[:, left : left + width] += density[:, left - width : left][:, ::-1]
        where = np.zeros(rgb.shape[:2], np.uint8)
        where[:, left : left + width] = 1
        return from_density(density), where

    return fault


def bubbled(rgb: np.ndarray, mpp: float) -> tuple[np.ndarray, np.ndarray] | None:
    radius = round(130 / mpp)
    if min(rgb.shape[:2]) < 2.6 * radius:
        return None
    centre = rgb.shape[1] // 2, rgb.shape[0] // 2
    where = cv2.circle(np.zeros(rgb.shape[:2], np.uint8), centre, radius, 1, -1)
    pale = cv2.GaussianBlur(rgb, (0, 0), 3 / mpp) * 0.5 + 120
    picture = np.where(where[..., None] > 0, pale, rgb).astype(np.uint8)
    return cv2.circle(picture, centre, radius, (45, 44, 46), round(12 / mpp)), where


def restained(vector: tuple[float, float, float]) -> Fault:
    def change(rgb: np.ndarray, mpp: float) -> np.ndarray:
        amounts = DECADIC_DENSITY[rgb] @ np.linalg.pinv(unit_rows((HAEMATOXYLIN, EOSIN)))
        return from_density(np.maximum(amounts, 0) @ unit_rows((HAEMATOXYLIN, vector)))

    return everywhere(change)


def exposed(gain: float, black: float = 0.0) -> Fault:
    return everywhere(
        lambda rgb, mpp: np.clip((rgb.astype(np.float32) - black) * gain, 0, 255).astype(np.uint8)
    )


FAULTS: dict[str, dict[str, Fault]] = {
    "blur": {f"{sigma:g} µm": blurred(sigma) for sigma in SIGMAS},
    "pen": {name: inked(colour) for name, colour in foreign.PENS.items()},
    "fold": {"64 µm": folded(64)},
    "bubble": {"260 µm": bubbled},
    "saturation": {"gain 1.3": exposed(1.3), "gain 1.5": exposed(1.5), "dark": exposed(1.55, 90)},
    "staining": {"DAB": restained(DAB), "aniline blue": restained(ANILINE)},
}


def sums(rgb: np.ndarray, mpp: float) -> dict[str, np.ndarray]:
    slide = open_slide(rgb, mpp)
    return cell_sums(slide, Tissue.of(slide), max(1, round(PIXEL_UM / mpp)))


def cells(where: np.ndarray, mpp: float, shape: tuple[int, int]) -> np.ndarray:
    """Share of each cell that a mask covers."""
    edge = CELL * max(1, round(PIXEL_UM / mpp))
    padded = np.zeros((shape[0] * edge, shape[1] * edge), np.float32)
    padded[: where.shape[0], : where.shape[1]] = where
    return cv2.resize(padded, shape[::-1], interpolation=cv2.INTER_AREA)


class Cells:
    """Sums of the cells of many images, before any threshold."""

    def __init__(self, pictures: list[foreign.Picture], only: str = "") -> None:
        self.clean = [(p, sums(p.rgb, p.mpp)) for p in pictures]
        self.faulty: dict[tuple[str, str], list[tuple[foreign.Picture, dict, np.ndarray]]] = {}
        for kind, faults in FAULTS.items():
            for name, fault in faults.items() if only in ("", kind) else ():
                self.faulty[kind, name] = []
                for p, before in self.clean:
                    made = fault(p.rgb, p.mpp)
                    if made is not None:
                        after = sums(made[0], p.mpp)
                        covered = cells(made[1], p.mpp, after["tissue"].shape)
                        affected = (covered > 0.9) & (before["tissue"] > 0.5)
                        self.faulty[kind, name].append((p, after, affected))

    def alarms(self, kind: str, keep: Callable[[foreign.Picture], bool]) -> tuple[int, int, str]:
        """Cells flagged and judged of clean images, and the image with most of them."""
        flagged = judged = 0
        by_image = {"none": 0}
        for p, found in self.clean:
            if keep(p) and p.name not in foreign.INK:
                tissue = found["tissue"] >= rules.TISSUE
                wrong = int((rules.faults_of(found)[kind] & tissue).sum())
                flagged, judged = flagged + wrong, judged + int(tissue.sum())
                by_image[p.name] = wrong
        return flagged, judged, max(by_image, key=by_image.__getitem__)

    def found(self, kind: str, name: str, keep: Callable[[foreign.Picture], bool]) -> str:
        hit = total = 0
        for p, after, affected in self.faulty[kind, name]:
            if keep(p):
                hit += int((rules.faults_of(after)[kind] & affected).sum())
                total += int(affected.sum())
        return f"{name} {hit / max(1, total):.1%} of {total}"

    def report(self, kind: str, keep: Callable[[foreign.Picture], bool]) -> str:
        flagged, judged, worst = self.alarms(kind, keep)
        found = ", ".join(self.found(kind, n, keep) for k, n in self.faulty if k == kind)
        share = flagged / max(1, judged)
        return f"false {flagged} of {judged} ({share:.2%}; most: {worst}); found: {found}"


def images(every: int = 1) -> Iterator[foreign.Picture]:
    seen: Counter[str] = Counter()
    for p in foreign.pictures():
        if min(p.rgb.shape[:2]) * p.mpp >= 96:
            if seen[p.source] % every == 0:
                yield p
            seen[p.source] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vary", nargs="+", metavar=("NAME", "VALUE"))
    parser.add_argument("--every", type=int, default=1, help="Only every n-th image of a source.")
    parser.add_argument("--kind", default="", choices=list(KINDS), help="Only faults of this kind.")
    arguments = parser.parse_args()
    if not foreign.DATA.is_dir():
        raise SystemExit(f"{foreign.DATA} does not exist")
    chosen = [
        p for p in images(arguments.every) if arguments.vary is None or p.source in foreign.CHOOSING
    ]
    measured = Cells(chosen, arguments.kind)
    kinds = [arguments.kind] if arguments.kind else list(KINDS)

    def choosing(p: foreign.Picture) -> bool:
        return p.source in foreign.CHOOSING

    if arguments.vary:
        name, *values = arguments.vary
        for value in values:
            setattr(rules, name, float(value))
            for kind in kinds:
                print(f"{name} {value} {kind}: {measured.report(kind, choosing)}")
        return
    for title, keep in (("Choosing", choosing), ("Reporting", lambda p: not choosing(p))):
        print(f"{title} half: {sum(map(keep, chosen))} images")
        for kind in kinds:
            print(f"  {kind}: {measured.report(kind, keep)}")
    print("By source, cells flagged of clean images:")
    for source in sorted({p.source for p in chosen}):
        counts = [measured.alarms(kind, lambda p, s=source: p.source == s) for kind in kinds]
        told = ", ".join(f"{k} {n}" for k, (n, _, _) in zip(kinds, counts, strict=True) if n)
        print(f"  {source}: of {counts[0][1]} {told or 'none'}")
    with open_slide(EXAMPLE) as slide:
        tissue, start = Tissue.of(slide), time.perf_counter()
        quality = Quality.of(slide, tissue)
        flagged = {name: int(mask.sum()) for name, mask in quality.masks.items()}
        print(f"{EXAMPLE.name}: {flagged}, {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
