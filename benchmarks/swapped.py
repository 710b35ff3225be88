"""How often images with red and blue swapped are recognised, and how often others are taken for it.

python benchmarks/swapped.py

The threshold was chosen on one half of the images of ../shared/data, divided by source as in
`benchmarks/foreign.py`: it is the lowest score of an image of that half as it is, rounded away from
0, so that no image of that half is mistaken. Printed are, for both halves and for each source, the
lowest scores, the images mistaken, and the share that is found of the same images swapped.
"""

from __future__ import annotations

import cv2
import numpy as np

from foreign import CHOOSING, DATA, MASK_MPP, pictures
from karyoscope.slides import Tissue, open_slide
from karyoscope.slides.appearance import SWAPPED, swap_score
from karyoscope.slides.array import ArraySlide
from karyoscope.slides.tissue import tissue_mask


def score(rgb: np.ndarray, mpp: float) -> float:
    """Score of an image at the resolution at which it is judged."""
    by = mpp / MASK_MPP
    small = cv2.resize(rgb, None, fx=by, fy=by, interpolation=cv2.INTER_AREA)
    pixels = small[tissue_mask(small, MASK_MPP)]
    return swap_score(-np.log10((pixels.astype(float) + 1) / 256)) if len(pixels) else np.nan


def looks_swapped(rgb: np.ndarray, mpp: float) -> bool:
    with ArraySlide(rgb, mpp) as slide:
        return Tissue.of(slide).doubt == SWAPPED


def main() -> None:
    found: dict[str, list[tuple[float, bool, bool]]] = {}
    for picture in pictures():
        rgb, mpp = picture.rgb, picture.mpp
        swapped = np.ascontiguousarray(rgb[..., ::-1])
        row = score(rgb, mpp), looks_swapped(rgb, mpp), looks_swapped(swapped, mpp)
        half = "choosing" if picture.source in CHOOSING else "reporting"
        for name in (f"half: {half}", picture.source):
            found.setdefault(name, []).append(row)
    with open_slide(DATA / "redistributable" / "CMU-1-Small-Region.svs") as slide:
        rgb, mpp = slide.read(0, 0, *slide.size), slide.mpp
    both = looks_swapped(rgb, mpp), looks_swapped(np.ascontiguousarray(rgb[..., ::-1]), mpp)
    found["example slide"] = [(score(rgb, mpp), *both)]
    print(f"{'':20} images   lowest scores        mistaken  found if swapped")
    for name in sorted(found, key=lambda name: not name.startswith("half")):
        scores, mistaken, seen = (np.array(values) for values in zip(*found[name], strict=True))
        lowest = " ".join(f"{value:6.3f}" for value in np.sort(scores)[:3])
        share = f"{100 * seen.mean():.0f} %"
        print(f"{name:20} {len(scores):6}   {lowest:20}   {mistaken.sum():6}   {share:>10}")


if __name__ == "__main__":
    main()
