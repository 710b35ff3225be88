"""Ellipses anywhere on the shipped slide, on the half pixels that a model's outlines lie on."""

import numpy as np

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.formats import ExportContext, open_writers
from karyoscope.slides import open_slide

SIZE, MPP = (2220, 2967), 0.499


def made_nuclei(count: int, seed: int = 0, size: tuple[int, int] = SIZE) -> Nuclei:
    random = np.random.default_rng(seed)
    taxonomy = Taxonomy.load("lizard")
    centre = random.uniform([20, 20], np.array(size) - 20, (count, 2))
    radius = random.uniform(4, 12, (count, 2, 1))
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([radius[:, 0] * np.cos(angle), radius[:, 1] * np.sin(angle)], -1)
    vertices = np.rint(2 * (ring + centre[:, None])).reshape(-1, 2) / 2
    return Nuclei(
        taxonomy,
        MPP,
        random.permutation(10 * count)[:count] + 1,
        random.choice([0, *taxonomy.ids], count),
        centre[:, 0],
        centre[:, 1],
        np.pi * radius.prod((1, 2)) * MPP**2,
        random.dirichlet(np.ones(len(taxonomy)), count),
        vertices,
        np.arange(count + 1) * 16,
        {"eccentricity": np.where(random.random(count) < 0.1, np.nan, random.random(count))},
    )


def write_results(folder, nuclei, slide, stem="CMU-1-Small-Region", name=None, mpp=None):
    """Write a table of nuclei that names the slide, or something else, as what it is of."""
    name = slide.name if name is None else name
    with open_slide(slide, mpp) as opened:
        context = ExportContext(name, opened.size, opened.mpp, nuclei.taxonomy, "made", "1")
    with open_writers(folder, stem, ["parquet"], context) as writers:
        for start in range(0, len(nuclei), 250):
            writers.write(nuclei.take(np.arange(start, min(len(nuclei), start + 250))))
    return folder
