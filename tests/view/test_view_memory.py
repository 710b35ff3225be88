"""The server's memory: what takes much of it is loaded when it is asked for, and not before."""

import subprocess
import sys

import numpy as np
from in_browser import STEM

from karyoscope.slides import open_slide
from karyoscope.view.images import TileImages

LOOK = """
import sys
from karyoscope.view import Answers, ViewServer, Workspace, open_paths
workspace = Workspace(open_paths([sys.argv[1]], [sys.argv[2]]))
answers = Answers(workspace)
slide, result = next(iter(workspace.catalogue.slides)), next(iter(workspace.catalogue.results))
info = workspace.result_info(result)
answers.tile(slide, 0, 0, 0)
for y in range(info["down"]):
    for x in range(info["across"]):
        answers.nuclei(result, x, y)
answers.density(result, 0, 0, 0, "area_um2:20:60")
answers.histogram(result, info["columns"][0]["place"])
answers.find(result, int(workspace.nuclei(result).table.id[0]))
large = "pandas", "scipy.spatial", "scipy.ndimage", "karyoscope.datasets", "torch"
print(*(name for name in large if name in sys.modules))
"""


def test_looking_at_a_result_loads_no_large_library(results, example_slide):
    command = [sys.executable, "-c", LOOK, str(results), str(example_slide)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_a_nucleus_has_the_values_of_its_columns(workspace):
    (key,) = workspace.catalogue.results
    table = workspace.nuclei(key).table
    assert table.context.slide.startswith(STEM)
    for row in range(0, len(table), 97):
        found = table.measured(row)
        assert set(found) == set(table.names) - {"id", "x", "y"}
        values = [table.values(name)[row] for name in found]
        assert np.array_equal(np.float32(list(found.values())), values, equal_nan=True)


def test_few_decoded_tiles_are_kept_beside_those_of_the_page(example_slide):
    with open_slide(example_slide) as slide:
        images = TileImages(slide)
        for level in range(images.levels):
            images.tile(level, 0, 0)
        assert 0 < sum(tile.nbytes for tile in slide._cache.values()) <= 8 << 20
