"""Small annotated sets, and the same nuclei written as predictions in every format."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io

from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Record, Sample, open_dataset
from karyoscope.datasets.folder import write_folder
from karyoscope.formats import WRITERS as FORMATS
from karyoscope.formats import ExportContext, open_writers
from karyoscope.postprocessing.outlines import trace_outlines

LIZARD = Taxonomy.load("lizard")
MPP = 0.5
Writer = Callable[[Path, list[Sample]], Path]


def make_sample(
    name: str, height: int = 256, width: int = 256, seed: int = 0, taxonomy: Taxonomy = LIZARD
) -> Sample:
    """Ellipses that do not touch, on a pink ground, each of a random class; ids 1 to n."""
    rng = np.random.default_rng(seed)
    inst_map = np.zeros((height, width), np.int32)
    count = 0
    for row in range(16, height - 15, 32):
        for column in range(16, width - 15, 32):
            count += 1
            axes = tuple(rng.integers(5, 13, 2).tolist())
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(inst_map, (column, row), axes, angle, 0, 360, count, cv2.FILLED)
    classes = np.append(0, rng.choice(taxonomy.ids, count)).astype(np.uint8)
    image = np.full((height, width, 3), (235, 200, 225), np.uint8)
    image[inst_map > 0] = (110, 70, 140)
    return Sample(Record(name, name), image, inst_map, classes, taxonomy, MPP)


def make_set(root: Path, samples: list[Sample]) -> Dataset:
    """Write samples as a plain folder and open it."""
    write_folder(samples, root, samples[0].taxonomy)
    return open_dataset(root)


def as_nuclei(sample: Sample) -> Nuclei:
    """Nuclei of a label map whose ids are 1 to n."""
    vertices, offsets = trace_outlines(sample.inst_map)
    n = len(offsets) - 1
    centres = np.add.reduceat(vertices, offsets[:-1]) / np.diff(offsets)[:, None]
    area = np.bincount(sample.inst_map.ravel(), minlength=n + 1)[1:] * sample.mpp**2
    return Nuclei(
        sample.taxonomy,
        sample.mpp,
        np.arange(1, n + 1),
        sample.classes[1:],
        centres[:, 0],
        centres[:, 1],
        area,
        np.zeros((n, 0)),
        vertices,
        offsets,
    )


def exported(form: str) -> Writer:
    """Write with an exporter of the package; skips a test where that lacks its package."""

    def write(root: Path, samples: list[Sample]) -> Path:
        for package in FORMATS[form].needs[1:]:
            pytest.importorskip(package)
        for sample in samples:
            height, width = sample.inst_map.shape
            context = ExportContext(
                f"{sample.record.name}.png", (width, height), MPP, sample.taxonomy
            )
            with open_writers(root, sample.record.name, [form], context) as writers:
                if sample.inst_map.any():
                    writers.write(as_nuclei(sample))
        return root

    return write


def write_images(root: Path, samples: list[Sample]) -> Path:
    """16-bit PNG and a table of class names."""
    root.mkdir(parents=True, exist_ok=True)
    for sample in samples:
        cv2.imwrite(str(root / f"{sample.record.name}.png"), sample.inst_map.astype(np.uint16))
        with (root / f"{sample.record.name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("id", "class"))
            rows.writerows(
                (i, sample.taxonomy.by_id(int(c)).name)
                for i, c in enumerate(sample.classes)
                if i > 0
            )
    return root


def write_mat(root: Path, samples: list[Sample]) -> Path:
    """HoVer-Net's file of a tile, ids in another order than in the map."""
    root.mkdir(parents=True, exist_ok=True)
    for sample in samples:
        ids = np.unique(sample.inst_map)[:0:-1]
        content = {
            "inst_map": sample.inst_map.astype(np.float64),
            "inst_uid": ids[:, None],
            "inst_type": sample.classes[ids][:, None],
        }
        scipy.io.savemat(root / f"{sample.record.name}.mat", content)
    return root


def write_conic_array(root: Path, samples: list[Sample]) -> Path:
    """One array of the challenge, and the names of its rows in an order of their own."""
    root.mkdir(parents=True, exist_ok=True)
    backwards = samples[::-1]
    pairs = [np.stack([s.inst_map, s.class_map], -1).astype(np.uint16) for s in backwards]
    np.save(root / "pred.npy", np.stack(pairs))
    names = "\n".join(["patch_info", *(s.record.name for s in backwards)])
    (root / "patch_info.csv").write_text(names + "\n")
    return root


def write_hovernet(root: Path, samples: list[Sample]) -> Path:
    """The exporter's JSON under the name that HoVer-Net's own code gives."""
    exported("hovernet")(root, samples)
    for path in root.glob("*.hovernet.json"):
        path.rename(path.with_name(path.name.replace(".hovernet", "")))
    return root


def write_conic_files(root: Path, samples: list[Sample]) -> Path:
    """One array a tile, with the numbers of the classes as they are."""
    root.mkdir(parents=True, exist_ok=True)
    for sample in samples:
        pair = np.stack([sample.inst_map, sample.class_map], -1)[None]
        np.save(root / f"{sample.record.name}.conic.npy", pair)
    return root


def without_tables(root: Path) -> None:
    """Remove the tables of classes beside label images."""
    for table in root.glob("*.csv"):
        table.unlink()


def without_types(root: Path) -> None:
    """Leave nothing but the label map in MATLAB files."""
    for path in root.glob("*.mat"):
        scipy.io.savemat(path, {"inst_map": scipy.io.loadmat(path)["inst_map"]})


@dataclass(frozen=True)
class Case:
    """A format of predictions.

    ``by_image`` is whether each image has a file of its own, ``strange_class`` the number of a
    class that the taxonomy of the truth lacks, where a file can have one, ``numbers`` writes such
    numbers if ``write`` refuses them, ``states_classes`` is whether a file has its own taxonomy,
    and ``drop_classes`` removes the classes from a folder, if nuclei may be without.
    """

    write: Writer
    by_image: bool = True
    strange_class: int | None = None
    numbers: Writer | None = None
    states_classes: bool = False
    drop_classes: Callable[[Path], None] | None = None

    @property
    def write_numbers(self) -> Writer:
        """What writes classes that are in no taxonomy."""
        return self.numbers or self.write


CASES: dict[str, Case] = {
    "parquet": Case(exported("parquet"), states_classes=True),
    "spatialdata": Case(exported("spatialdata"), states_classes=True),
    "labels": Case(exported("labels"), strange_class=1, drop_classes=without_tables),
    "geojson": Case(exported("geojson"), states_classes=True),
    "hovernet": Case(write_hovernet),
    "mat": Case(write_mat, strange_class=99, drop_classes=without_types),
    "conic": Case(write_conic_array, by_image=False, strange_class=99),
    "conic-files": Case(exported("conic"), strange_class=99, numbers=write_conic_files),
    "images": Case(write_images, strange_class=1, drop_classes=without_tables),
}
WRITERS: dict[str, Writer] = {name: case.write for name, case in CASES.items()}
