"""Annotations drawn in QuPath: a GeoJSON file beside each image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.geojson import IGNORE, areas_of, points_of, read_features
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets.base import Record, Sample
from karyoscope.datasets.describe import write_description
from karyoscope.datasets.files import grouped, images_under, pair, patient_of, split_of
from karyoscope.datasets.image_files import read_rgb
from karyoscope.datasets.on_disk import DatasetOnDisk
from karyoscope.datasets.palette import taxonomy_of
from karyoscope.datasets.polygons import check_on_image, paint, pixel_polygon
from karyoscope.datasets.writing import write_png

if TYPE_CHECKING:
    import shapely

_GEOJSON = (".geojson", ".geojson.gz")
_NOT_NUCLEI = ("region",)


class GeoJson(DatasetOnDisk):
    """``<name>.geojson`` for each image ``<name>.<suffix>``, in one folder or in two.

    Every polygon or multipolygon is a nucleus of the class that its classification names, and of
    class 0 where it has none. QuPath's class ``Ignore*`` becomes the sample's ``ignore``, its
    class ``Region*`` is passed over, and of a cell the nucleus is taken. Points become the
    sample's ``points``. Coordinates are pixels with the origin at the corner of the top left
    pixel; a pixel belongs to the nucleus in which its centre lies, of two that overlap to the
    first.

    Without a taxonomy the classes are those found in the files, in alphabetical order.
    """

    name = "geojson"

    @classmethod
    def recognises(cls, root: Path) -> bool:
        """Whether there is any ``.geojson`` file."""
        return any(root.rglob("*.geojson"))

    def find(self) -> Iterator[Record]:
        """Pair annotations with images of the same name."""
        labels = grouped(self.root.rglob("*.json"))  # may be of another kind
        labels |= grouped(
            (path for suffix in _GEOJSON for path in self.root.rglob(f"*{suffix}")),
            lambda path: path.name[: path.name.rindex(".geojson")],
        )
        self._files = {}
        for stem, label, image in pair(labels, images_under(self.root), self.problems):
            self._files[stem] = (label, image)
            yield Record(stem, patient_of(stem), "", split_of(image, self.root))
        if self.given_taxonomy is None:
            self.taxonomy = taxonomy_of("geojson", self._names())

    def _names(self) -> set[str]:
        names = set()
        for label, _ in self._files.values():
            try:
                names |= {feature.class_name for feature in read_features(label)}
            except KaryoscopeError:
                continue  # named when the image is loaded
        return {n for n in names if n and not n.startswith((IGNORE, *_NOT_NUCLEI))}

    def load(self, record: Record) -> Sample:
        """Read one image with its annotations; see :meth:`Dataset.load`."""
        path, image_path = self._files[record.name]
        image = read_rgb(image_path)
        inst_map = np.zeros(image.shape[:2], np.int32)
        ignore = np.zeros(image.shape[:2], np.uint8)
        classes = [0]
        points: list[tuple[float, float, int]] = []
        outlines = []
        for feature in read_features(path):
            name, geometry = feature.class_name, feature.geometry(nucleus=True)
            if name.startswith(_NOT_NUCLEI):
                continue
            if geometry is None:
                raise KaryoscopeError(f"{path}: a feature without a geometry")
            areas, where = areas_of(geometry), points_of(geometry)
            if feature.ignored:
                paint(ignore, areas, 1)
                continue
            if areas.is_empty and not where:
                kind = geometry.geom_type
                raise KaryoscopeError(f"{path}: {kind} where a polygon or a point is needed")
            class_id = self.taxonomy.id_of(name) if name else 0
            if not areas.is_empty:
                outlines.append(areas)
                paint(inst_map, areas, len(classes))
                classes.append(class_id)
            points += [(x, y, class_id) for x, y in where]
        check_on_image(outlines, image.shape, path)
        return self.sample(
            record,
            path,
            image,
            inst_map,
            np.array(classes, np.uint8),
            points=np.array(points).reshape(-1, 3) if points else None,
            ignore=ignore.astype(bool) if ignore.any() else None,
        )


def write_geojson(samples: Iterable[Sample], root: Path, taxonomy: Taxonomy) -> None:
    """Write samples as images and GeoJSON files that QuPath opens, in one folder.

    Polygons run along the edges of pixels, with holes and separate parts, so that reading them
    gives the same label map up to the numbering of the nuclei.
    """
    records = []
    for sample in samples:
        name = sample.record.name
        records.append((sample.record, sample.mpp))
        write_png(root / f"{name}.png", sample.image)
        features = list(_written_features(sample))
        text = json.dumps({"type": "FeatureCollection", "features": features})
        (root / f"{name}.geojson").write_text(text, encoding="utf-8")
    write_description(root, "geojson", taxonomy, records)


def _written_features(sample: Sample) -> Iterator[dict[str, Any]]:
    import shapely

    for i, box in enumerate(ndimage.find_objects(sample.inst_map), start=1):
        if box is not None:
            polygon = pixel_polygon(sample.inst_map[box] == i, box[1].start, box[0].start)
            yield _feature(polygon, sample.taxonomy, int(sample.classes[i]))
    if sample.ignore is not None and sample.ignore.any():
        feature = _feature(pixel_polygon(sample.ignore, 0, 0), sample.taxonomy, 0)
        feature["properties"]["classification"] = {"name": "Ignore*", "color": [180, 180, 180]}
        yield feature
    for x, y, class_id in sample.points if sample.points is not None else ():
        yield _feature(shapely.Point(x, y), sample.taxonomy, int(class_id))


def _feature(geometry: shapely.Geometry, taxonomy: Taxonomy, class_id: int) -> dict[str, Any]:
    import shapely

    properties: dict[str, Any] = {"objectType": "annotation"}
    if class_id:
        nucleus_class = taxonomy.by_id(class_id)
        properties["classification"] = {
            "name": nucleus_class.name,
            "color": list(nucleus_class.color),
        }
    return {
        "type": "Feature",
        "geometry": json.loads(shapely.to_geojson(geometry)),
        "properties": properties,
    }
