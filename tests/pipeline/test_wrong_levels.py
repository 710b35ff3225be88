"""A pyramid whose lower level shows another picture: counts are right, and the warning arrives."""

import json

import numpy as np
import pytest
import tifffile

from karyoscope.pipeline import SegmentOptions, segment_slides
from karyoscope.report.cohort import write_cohort


def write(path, *levels):
    with tifffile.TiffWriter(path) as file:
        for number, pixels in enumerate(levels):
            file.write(
                np.ascontiguousarray(pixels),
                subfiletype=int(number > 0),
                tile=(128, 128),
                photometric="rgb",
                metadata=None,
            )
    return path


@pytest.fixture(scope="module")
def results(tmp_path_factory, tissue, threshold_model):
    """Summaries of the same slide with right, with mirrored and with blank levels."""
    folder = tmp_path_factory.mktemp("levels")
    small = tissue[::4, ::4]
    levels = {"right": small, "mirrored": small[:, ::-1], "blank": np.full_like(small, 244)}
    paths = [write(folder / f"{name}.tif", tissue, level) for name, level in levels.items()]
    options = SegmentOptions(("csv", "report"), features=(), mpp=0.499)
    segment_slides(paths, folder / "out", threshold_model, options)
    names = [*levels]
    read = [json.loads((folder / "out" / f"{n}.summary.json").read_text("utf-8")) for n in names]
    return folder / "out", dict(zip(names, read, strict=True))


@pytest.mark.parametrize("name", ["mirrored", "blank"])
def test_counts_and_densities_are_those_of_level_0(results, name):
    folder, found = results
    right, wrong = found["right"], found[name]
    assert wrong["nuclei"] == right["nuclei"] > 0
    assert wrong["tissue_mm2"] == pytest.approx(right["tissue_mm2"], rel=0.02)
    tables = [
        (folder / f"{one}.csv").read_text("utf-8").splitlines()[1:] for one in ("right", name)
    ]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("name", ["mirrored", "blank"])
def test_the_warning_reaches_summary_report_and_cohort(results, name):
    folder, found = results
    (line,) = [one for one in found[name]["warnings"] if "level 1" in one]
    assert "this level is not read" in line
    write_cohort(folder)
    for page in (f"{name}.html", "cohort.csv", "cohort.html"):
        files = [path for path in folder.glob("*") if path.name in (page, f"{name}.report.html")]
        assert any("this level is not read" in path.read_text("utf-8") for path in files), page
    assert not any("level 1" in one for one in found["right"]["warnings"])
