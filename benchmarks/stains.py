"""How near normalisers of stains bring images to a target set: RestainNet, Macenko, Reinhard.

Each image is a slide of its own: it is measured as a whole, then changed. Distances are between
the statistics of its tissue and those of the target's tissue, averaged over the images:

* LAB mean, LAB sd: Euclidean distance of the means (a colour difference) and of the standard
  deviations;
* H, E mean and sd: absolute difference of the amounts of haematoxylin and eosin (optical density,
  natural logarithm);
* grey: correlation of the grey levels before and after; 1 where nothing but brightness and contrast
  has changed.

    python benchmarks/stains.py --fit FIT --target TARGET --sources SOURCES --restain BUNDLE

Macenko and Reinhard are fitted on FIT, which is what RestainNet was trained on; TARGET are other
images of the same kind. Each is a file, a folder or a glob.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from karyoscope.pipeline import load_stain
from karyoscope.slides import find_slides, open_slide
from karyoscope.stains import lab_statistics, separate, tissue_pixels

COLUMNS = ("LAB mean", "LAB sd", "H mean", "E mean", "H sd", "E sd", "grey")


def statistics(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (rows) of LAB, and of haematoxylin and eosin, over tissue."""
    lab = lab_statistics(rgb.reshape(-1, 3))
    assert lab is not None
    amounts = separate(tissue_pixels(rgb))[:, :2]
    return lab, np.stack([amounts.mean(0), amounts.std(0)])


def distances(rgb: np.ndarray, target: tuple[np.ndarray, np.ndarray]) -> list[float]:
    """Distances of an image to the target, in the order of the columns, without the last."""
    lab, stains = (abs(a - b) for a, b in zip(statistics(rgb), target, strict=True))
    return [*np.linalg.norm(lab, axis=1), *stains.ravel()]


def read(inputs: list[str], mpp: float) -> list[np.ndarray]:
    """All images, whole."""
    images = []
    for path in find_slides(inputs)[0]:
        with open_slide(path, mpp) as slide:
            images.append(slide.read(0, 0, *slide.size))
    return images


def grey_correlation(before: np.ndarray, after: np.ndarray) -> float:
    """Correlation of grey levels."""
    pair = [cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).ravel() for rgb in (before, after)]
    return float(np.corrcoef(*pair)[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fit", required=True, help="what Macenko and Reinhard are fitted on")
    parser.add_argument("--target", required=True, nargs="+", help="held-out images of that kind")
    parser.add_argument("--sources", required=True, nargs="+", help="images to change")
    parser.add_argument("--restain", required=True, help="bundle of a RestainNet")
    parser.add_argument("--mpp", type=float, default=0.5)
    args = parser.parse_args()

    pooled = np.concatenate([image.reshape(-1, 3) for image in read(args.target, args.mpp)])
    target = statistics(pooled[:, None])
    sources = read(args.sources, args.mpp)
    stains = {
        "RestainNet": load_stain(args.restain, args.mpp, threads=1),
        "Macenko": load_stain(f"macenko:{args.fit}", args.mpp),
        "Reinhard": load_stain(f"reinhard:{args.fit}", args.mpp),
    }
    rows = {"as they are": np.mean([[*distances(i, target), 1.0] for i in sources], 0)}
    for name, stain in stains.items():
        found = []
        for image in sources:
            slide = stain.over(open_slide(image, args.mpp))
            changed = slide.read(0, 0, *slide.size)
            found.append([*distances(changed, target), grey_correlation(image, changed)])
        rows[name] = np.mean(found, 0)
    print(f"{len(sources)} images, target of {len(pooled) / 1e6:.1f} Mpx")
    print("| | " + " | ".join(COLUMNS) + " |")
    print("| --- |" + " ---: |" * len(COLUMNS))
    for name, row in rows.items():
        cells = [f"{v:.1f}" if k < 2 else f"{v:.3f}" for k, v in enumerate(row)]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
