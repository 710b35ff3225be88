"""Corrected nuclei as annotated images: what a person reviewed, ready to train on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_text, writing
from karyoscope.core.geojson import areas_of
from karyoscope.datasets.geojson import write_geojson
from karyoscope.datasets.reviewed import reviewed_sample
from karyoscope.slides import Slide
from karyoscope.view.edited import EditedTable
from karyoscope.view.regions import region_of

SUFFIX, CORRECTED = ".reviewed", ".corrected.geojson"
#: Pixels of level 0 around a region in which a nucleus may have its centroid and reach into it.
_NEAR = 128


def write_collection(
    folder: Path, stem: str, slide: Slide, nuclei: EditedTable, regions: dict[str, Any]
) -> dict[str, Any]:
    """Write each reviewed region as an image with a GeoJSON file beside it.

    The folder has the layout ``geojson``, which `karyoscope data inspect`, `data convert` and
    recipes read; see :func:`~karyoscope.datasets.reviewed.reviewed_sample`. Besides, the
    regions and the nuclei around them become one GeoJSON file in pixels of the slide, of which
    `karyoscope data collect` makes one dataset with those of other slides; QuPath reads it, too.

    Parameters
    ----------
    folder, stem
        The dataset becomes ``<folder>/<stem>.reviewed`` and the file
        ``<folder>/<stem>.corrected.geojson``; those that are there are replaced.
    slide : Slide
    nuclei : EditedTable
    regions : dict
        GeoJSON; regions whose property ``reviewed`` is true are written.

    Returns
    -------
    dict
        ``folder`` and ``file`` (their names), ``images`` and ``nuclei``.

    Raises
    ------
    KaryoscopeError
        If no region was reviewed, or one is off the slide or too large.
    """
    reviewed = [f for f in regions["features"] if f["properties"]["reviewed"]]
    if not reviewed:
        raise KaryoscopeError("mark a region as reviewed first; only such regions are written")
    taxonomy = nuclei.table.context.taxonomy
    samples, drawn = [], {}
    for number, feature in enumerate(reviewed, start=1):
        region = region_of(feature["geometry"])
        around = _outlines(nuclei, region)
        label = f"region {feature['properties']['name']!r}"
        samples.append(reviewed_sample(slide, stem, region, number, around, taxonomy, label))
        drawn[region.wkb] = _feature(
            region.intersection(shapely.box(0, 0, *slide.size)), "Reviewed"
        )
        drawn |= {outline.wkb: _feature(outline, name) for outline, name in around}
    with writing(folder / (stem + SUFFIX)) as part:
        part.mkdir(parents=True)
        write_geojson(samples, part, taxonomy)
    corrected = folder / (stem + CORRECTED)
    write_text(
        corrected, json.dumps({"type": "FeatureCollection", "features": list(drawn.values())})
    )
    return {
        "folder": stem + SUFFIX,
        "file": corrected.name,
        "images": len(samples),
        "nuclei": sum(int(np.count_nonzero(np.unique(sample.inst_map))) for sample in samples),
    }


def _outlines(
    nuclei: EditedTable, region: shapely.Geometry
) -> list[tuple[shapely.MultiPolygon, str]]:
    """Nuclei in and near a region: outline in pixels of the slide, and name of the class.

    Those near it are needed, too: their pixels in the region are no background.
    """
    table, taxonomy = nuclei.table, nuclei.table.context.taxonomy
    near = shapely.box(*region.bounds).buffer(_NEAR, join_style="mitre")
    rows = table.rows_in(*near.bounds)
    rows = rows[nuclei.alive[rows]]
    vertices, offsets = table.outlines(rows)
    found = [
        (vertices[offsets[i] : offsets[i + 1]].astype(float), int(nuclei.class_id[row]))
        for i, row in enumerate(rows.tolist())
    ]
    found += [
        (np.array(one.outline, float), one.class_id)
        for one in nuclei.added.values()
        if shapely.contains_xy(near, *one.centroid)
    ]
    return [
        # An outline that a person drew may cross itself.
        (
            areas_of(shapely.make_valid(shapely.Polygon(ring))),
            taxonomy.by_id(class_id).name if class_id else "",
        )
        for ring, class_id in found
    ]


def _feature(geometry: shapely.Geometry, name: str) -> dict[str, Any]:
    parts = [
        part
        for part in getattr(geometry, "geoms", [geometry])
        if part.geom_type in ("Polygon", "MultiPolygon")
    ]
    geometry = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    return {
        "type": "Feature",
        "geometry": json.loads(shapely.to_geojson(geometry)),
        "properties": {"objectType": "annotation", "classification": {"name": name}},
    }
