"""Rows of the table of nuclei by mask, by region and by name, and how a notebook shows it."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
import shapely
from nuclei_tables import square, table

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.regions import Region
from karyoscope.core.taxonomy import Taxonomy


@pytest.fixture
def grid():
    """A hundred squares with centroids at 2, 12, ..., 92 along x and y."""
    return table([square(10 * x, 10 * y) for y in range(10) for x in range(10)])


def test_rows_by_mask_slice_and_number(grid):
    assert grid[grid["x"] > 50].id.tolist() == [i for i in range(1, 101) if (i - 1) % 10 > 4]
    assert grid[:3].id.tolist() == [1, 2, 3]
    assert grid[::-40].id.tolist() == [100, 60, 20]
    assert grid[[5, 0]].id.tolist() == [6, 1]
    assert grid[-1].id.tolist() == [100]
    assert len(grid[[]]) == len(grid[np.zeros(100, bool)]) == 0
    assert [row.id[0] for row in grid[:2]] == [1, 2]
    np.testing.assert_array_equal(grid[[5]].outline(0), grid.outline(5))


def test_rows_that_there_are_not(grid):
    with pytest.raises(IndexError, match="100 nuclei"):
        grid[100]
    with pytest.raises(IndexError, match="100 nuclei"):
        grid[np.ones(99, bool)]


def test_columns_by_name(grid):
    assert grid["class"].tolist() == grid.class_names().tolist()
    assert grid["roundness"] is grid.measurements["roundness"]
    with pytest.raises(KaryoscopeError, match=r"no column 'rundness'.*do you mean roundness\?"):
        grid["rundness"]


TRIANGLE = np.array([[0, 0], [60, 0], [0, 60]])


def test_nuclei_within_a_region_have_their_centroid_there(grid, tmp_path):
    # On the outline, x + y = 60, is outside.
    expected = grid.id[grid.x + grid.y < 60].tolist()
    assert 10 < len(expected) < 40
    polygon = shapely.Polygon(TRIANGLE)
    path = tmp_path / "drawn.geojson"
    path.write_text(json.dumps({"type": "Feature", "geometry": polygon.__geo_interface__}))

    class Drawn:
        __geo_interface__ = polygon.__geo_interface__

    for region in (polygon, TRIANGLE, TRIANGLE.tolist(), Region("a", polygon), Drawn(), path):
        assert grid.within(region).id.tolist() == expected
    assert grid.within(str(path)).id.tolist() == expected
    two = shapely.MultiPolygon([shapely.box(0, 0, 5, 5), shapely.box(90, 90, 99, 99)])
    assert grid.within(two).id.tolist() == [1, 100]
    ring = shapely.box(-9, -9, 99, 99).difference(shapely.box(5, 5, 95, 95))
    assert len(grid.within(ring)) == 19
    assert len(grid.within(shapely.box(200, 200, 300, 300))) == 0


def test_nuclei_within_tables_of_geopandas(grid):
    geopandas = pytest.importorskip("geopandas")
    series = geopandas.GeoSeries([shapely.box(0, 0, 5, 5), shapely.box(90, 90, 99, 99)])
    assert grid.within(series).id.tolist() == [1, 100]
    assert grid.within(geopandas.GeoDataFrame(geometry=series)).id.tolist() == [1, 100]


@pytest.mark.parametrize("region", [3, "absent.geojson", shapely.Point(1, 2), [[1, 2]], None])
def test_what_is_no_region_is_one_line(grid, region):
    with pytest.raises((KaryoscopeError, OSError)) as info:
        grid.within(region)
    assert "\n" not in str(info.value)


class _Text(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_data(self, data):
        self.found.append(data.strip())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)


def test_a_notebook_shows_counts_and_the_first_rows(grid):
    page = _Text()
    page.feed(grid._repr_html_())
    text = " ".join(page.found)
    assert "100 nuclei at 0.5 µm per pixel" in text
    assert "neutrophil 17" in text
    assert page.tags.count("tr") == 1 + 5
    assert "area_um2" in page.found


def test_names_of_classes_are_escaped_in_notebooks():
    hostile = Taxonomy.from_dict(
        {"name": "h", "classes": [{"id": 1, "name": "<script>", "color": [1, 2, 3]}]}
    )
    page = _Text()
    page.feed(table([square(0, 0)], hostile)._repr_html_())
    assert "script" not in page.tags
    page.feed(Nuclei.empty(hostile, 0.5)._repr_html_())
    assert "0 nuclei" in " ".join(page.found)
