"""Results of a run, for napari to open."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def results(tmp_path_factory, example_slide, tiny_bundle) -> Path:
    """Folder with the results of a part of the slide, in every format that the plugin reads."""
    from karyoscope.pipeline import SegmentOptions, segment_slides

    out = tmp_path_factory.mktemp("napari")
    formats = ("geojson", "geojson.gz", "parquet", "labels", "ome-zarr")
    options = SegmentOptions(formats=formats, roi=(900, 900, 200, 200), tissue="none")
    segment_slides([example_slide], out, str(tiny_bundle), options)
    return out
