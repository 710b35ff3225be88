"""A tiny instance of every published layout, made of real nuclei, for the contract tests."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import scipy.io
from dataset_pictures import LayoutCase, Picture
from scipy import ndimage

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.conic_patches import write_conic
from karyoscope.datasets.consep import write_consep
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.geojson import write_geojson
from karyoscope.datasets.lizard import write_lizard
from karyoscope.datasets.polygons import pixel_polygon

DATA = Path(__file__).parents[1] / "data"


def _ours(writer: Callable, taxonomy: str, mpp: float) -> Callable[[Path, list[Picture]], None]:
    """A layout that the package writes itself, without the files that only it writes."""

    def write(root: Path, made: list[Picture]) -> None:
        known = Taxonomy.load(taxonomy)
        writer((p.sample(known, mpp) for p in made), root, known)
        for name in ("dataset.yaml", "records.csv"):
            (root / name).unlink()

    return write


def _conic(root: Path, made: list[Picture]) -> None:
    images = [replace(p, name=p.name.removesuffix("-0000")) for p in made]
    _ours(write_conic, "lizard", 0.5)(root, images)
    (root / "patches.csv").unlink()
    (root / "source_ids.npy").unlink()


def _instance_mats(folder: str) -> Callable[[Path, list[Picture]], None]:
    def write(root: Path, made: list[Picture]) -> None:
        for p in made:
            place = root / folder.format(split=p.split)
            p.write_image(place / "Images" / f"{p.name}.png")
            (place / "Labels").mkdir(exist_ok=True)
            scipy.io.savemat(place / "Labels" / f"{p.name}.mat", {"inst_map": p.inst_map})

    return write


def _aperio(path: Path, layers: dict[str, list[np.ndarray]]) -> None:
    """Write outlines, given with the origin at the corner, as ImageScope does."""
    text = ['<Annotations MicronsPerPixel="0.252">']
    for number, (name, rings) in enumerate(layers.items(), start=1):
        text.append(f'<Annotation Id="{number}" Name=""><Attributes>')
        text.append(f'<Attribute Name="{name}" Id="0" Value=""/></Attributes><Regions>')
        for i, ring in enumerate(rings, start=1):
            vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in ring - 0.5)
            text.append(f'<Region Id="{i}"><Vertices>{vertices}</Vertices></Region>')
        text.append("</Regions></Annotation>")
    path.write_text("".join([*text, "</Annotations>"]), encoding="utf-8")


def _rings(p: Picture) -> list[np.ndarray]:
    return [
        np.array(pixel_polygon(p.inst_map == i, 0, 0).exterior.coords)
        for i in range(1, p.inst_map.max() + 1)
    ]


def _kumar(root: Path, made: list[Picture]) -> None:
    (root / "Annotations").mkdir(parents=True)
    for p in made:
        p.write_image(root / "Tissue Images" / f"{p.name}.tif")
        _aperio(root / "Annotations" / f"{p.name}.xml", {"": _rings(p)})


def _monusac(root: Path, made: list[Picture]) -> None:
    for p in made:
        folder = root / "MoNuSAC_images_and_annotations" / p.name[:-2]
        p.write_image(folder / f"{p.name}.tif")
        layers: dict[str, list[np.ndarray]] = {}
        for ring, c in zip(_rings(p), p.classes[1:], strict=True):
            name = Taxonomy.load("monusac").by_id(c).name.capitalize()
            layers.setdefault(name, []).append(ring)
        _aperio(folder / f"{p.name}.xml", layers)


def _cpm15(root: Path, made: list[Picture]) -> None:
    for p in made:
        p.write_image(root / f"{p.name}.png")
        height, width = p.inst_map.shape
        lines = [f"{width} {height}", *(str(i) for i in p.inst_map.ravel())]
        (root / f"{p.name}_mask.txt").write_text("\n".join(lines), encoding="ascii")


def _tnbc(root: Path, made: list[Picture]) -> None:
    for p in made:
        slide = p.name[:2]
        p.write_image(root / f"Slide_{slide}" / f"{p.name}.png")
        (root / f"GT_{slide}").mkdir()
        mask = (p.inst_map > 0).astype(np.uint8) * 255
        cv2.imwrite(str(root / f"GT_{slide}" / f"{p.name}.png"), mask)


def _crchisto(root: Path, made: list[Picture]) -> None:
    for p in made:
        p.write_image(root / "Classification" / p.name / f"{p.name}.bmp")
        (root / "Detection" / p.name).mkdir(parents=True)
        centres = ndimage.center_of_mass(p.inst_map > 0, p.inst_map, range(1, len(p.classes)))
        points = np.array(centres)[:, ::-1] + 1  # MATLAB's first pixel is (1, 1)
        path = root / "Detection" / p.name / f"{p.name}_detection.mat"
        scipy.io.savemat(path, {"detection": points})
        for c in Taxonomy.load("crchisto").classes:
            path = root / "Classification" / p.name / f"{p.name}_{c.name}.mat"
            scipy.io.savemat(path, {"detection": points[p.classes[1:] == c.id]})


def _pannuke(root: Path, made: list[Picture]) -> None:
    for p in made:
        masks = np.zeros((1, *p.inst_map.shape, 6), np.float64)
        for channel in range(5):
            masks[0, ..., channel] = np.where(p.classes[p.inst_map] == channel + 1, p.inst_map, 0)
        masks[0, ..., 5] = p.inst_map == 0
        images = root / f"Fold {p.split}" / "images" / f"fold{p.split}"
        labels = root / f"Fold {p.split}" / "masks" / f"fold{p.split}"
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        np.save(images / "images.npy", p.image[None].astype(np.float64))
        np.save(images / "types.npy", np.array(["Breast"]))
        np.save(labels / "masks.npy", masks)


def _qu(root: Path, made: list[Picture]) -> None:
    (root / "labels_instance").mkdir(parents=True)
    splits: dict[str, list[str]] = {}
    for p in made:
        p.write_image(root / "images" / f"{p.name}.png")
        # Class 1 has ids 3, 6, ..., class 2 has 1, 4, ... and class 3 has 2, 5, ...
        ids = np.arange(len(p.classes)) * 3 + (p.classes.astype(int) - 1) % 3
        ids[0] = 0
        label = ids[p.inst_map].astype(np.uint16)
        cv2.imwrite(str(root / "labels_instance" / f"{p.name}_label.png"), label)
        splits.setdefault(p.split, []).append(f"{p.name}.png")
    (root / "train_val_test.json").write_text(json.dumps(splits), encoding="utf-8")


def _nucls(root: Path, made: list[Picture]) -> None:
    (root / "csv").mkdir(parents=True)
    names = {1: "tumor_any", 2: "nonTIL_stromal", 3: "sTIL", 4: "other_nucleus"}
    for p in made:
        p.write_image(root / "rgb" / f"{p.name}.png")
        with (root / "csv" / f"{p.name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            head = "raw_classification,super_classification,type,xmin,ymin,xmax,ymax"
            writer.writerow([*head.split(","), "coords_x", "coords_y"])
            writer.writerow(["fov", "fov", "rectangle", 0, 0, 120, 96, "", ""])
            for ring, c in zip(_rings(p), p.classes[1:], strict=True):
                x, y = ring.T
                box = [x.min(), y.min(), x.max(), y.max()]
                coordinates = [",".join(map(str, x)), ",".join(map(str, y))]
                writer.writerow(["tumor", names[int(c)], "polyline", *box, *coordinates])


def _folder(root: Path, made: list[Picture]) -> None:
    _ours(write_folder, "lizard", 0.5)(root, made)
    (root / "dataset.yaml").write_text("taxonomy: lizard\nmpp: 0.5\n", encoding="utf-8")


def _geojson(root: Path, made: list[Picture]) -> None:
    _ours(write_geojson, "lizard", 0.5)(root, made)
    (root / "dataset.yaml").write_text("taxonomy: lizard\n", encoding="utf-8")


CASES: dict[str, LayoutCase] = {
    "conic": LayoutCase(
        _conic, ("glas_1-0000", "dpath_2-0000"), taxonomy="lizard", labels="", size=(256, 256)
    ),
    "pannuke": LayoutCase(
        _pannuke,
        ("fold1_0000", "fold3_0000"),
        ("1", "3"),
        "pannuke",
        labels="**/masks.npy",
        images="",
    ),
    "lizard": LayoutCase(
        _ours(write_lizard, "lizard", 0.5), ("glas_1", "dpath_2"), ("1", "3"), "lizard"
    ),
    "crchisto": LayoutCase(
        _crchisto,
        ("img1", "img2"),
        taxonomy="crchisto",
        labels="**/*_inflammatory.mat",
        images="**/*.bmp",
        numbers_classes=False,
        points=True,
    ),
    "monusac": LayoutCase(
        _monusac,
        ("TCGA-5P-A9K0-01Z-00-DX1_1", "TCGA-55-1594-01Z-00-DX1_2"),
        ("train", "train"),
        "monusac",
        labels="**/*.xml",
        images="**/*.tif",
        numbers_classes=False,
        outlines=True,
    ),
    "tnbc": LayoutCase(_tnbc, ("01_1", "02_3"), labels="GT_*/*.png", images="Slide_*/*.png"),
    "qu": LayoutCase(
        _qu,
        ("a", "b"),
        ("train", "test"),
        "qu",
        labels="labels_instance/*.png",
        images="images/*.png",
        states_scale=False,
    ),
    "consep": LayoutCase(
        _ours(write_consep, "consep", 0.25), ("train_1", "test_1"), ("train", "test"), "consep"
    ),
    "kumar": LayoutCase(
        _kumar,
        ("TCGA-18-5592-01Z-00-DX1", "TCGA-AY-A8YK-01A-01-TS1"),
        ("train", "test"),
        labels="**/*.xml",
        images="**/*.tif",
        outlines=True,
    ),
    "cpm15": LayoutCase(_cpm15, ("image01", "image09"), labels="*_mask.txt", images="*.png"),
    "cpm17": LayoutCase(_instance_mats("{split}"), ("image_00", "image_31"), ("train", "test")),
    "nucls": LayoutCase(
        _nucls,
        ("TCGA-A1-A0SP-DX1_id-1", "TCGA-A2-A04P-DX1_id-2"),
        taxonomy="nucls",
        labels="csv/*.csv",
        numbers_classes=False,
        outlines=True,
    ),
    "geojson": LayoutCase(
        _geojson,
        taxonomy="lizard",
        labels="*.geojson",
        numbers_classes=False,
        outlines=True,
        states_scale=False,
    ),
    "folder": LayoutCase(
        _folder,
        taxonomy="lizard",
        labels="labels/*.png",
        images="images/*.png",
        numbers_classes=False,
    ),
}
