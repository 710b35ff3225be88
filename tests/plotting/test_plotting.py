"""Figures of nuclei: what is drawn where, with which numbers."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from PIL import Image

from karyoscope import plotting
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy

matplotlib.use("Agg")
LIZARD = Taxonomy.load("lizard")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def nuclei():
    """Forty squares of 8 px in two rows; the first row epithelial, the second lymphocyte."""
    corners = np.array([(20 * column, 50 * row) for row in range(2) for column in range(20)])
    rings = corners[:, None] + np.array([[0, 0], [8, 0], [8, 8], [0, 8]])
    centres = corners + 4.0
    return Nuclei(
        LIZARD,
        0.5,
        np.arange(1, 41),
        np.repeat([2, 3], 20),
        centres[:, 0],
        centres[:, 1],
        np.linspace(10, 49, 40),
        np.zeros((40, 0)),
        rings.reshape(-1, 2),
        np.arange(0, 161, 4),
        {"nearest_um": np.where(np.arange(40) < 3, np.nan, 5.0)},
    )


def collections(ax):
    return [c for c in ax.collections if isinstance(c, PolyCollection)]


def test_outlines_have_the_colours_of_their_classes(nuclei):
    ax = nuclei.plot()
    first, second = collections(ax)
    for drawn, name, rows in (
        (first, "epithelial", nuclei[:20]),
        (second, "lymphocyte", nuclei[20:]),
    ):
        kind = LIZARD.by_id(LIZARD.id_of(name))
        assert np.allclose(drawn.get_edgecolor()[0, :3], np.array(kind.color) / 255)
        assert drawn.get_label() == f"{name} 20"
        paths = [path.vertices[:4] for path in drawn.get_paths()]
        assert np.allclose(paths, rows.vertices.reshape(-1, 4, 2))
    assert ax.get_xlim() == (0, 388)
    assert ax.get_ylim() == (58, 0)


def test_pixels_lie_under_the_outlines(nuclei):
    image = np.full((60, 400, 3), 255, np.uint8)
    image[50:58, 20:28] = 0  # the second square of the second row
    for given in (image, Image.fromarray(image)):
        (shown,) = plotting.overlay(nuclei, given).images
        left, right, bottom, top = shown.get_extent()
        assert (left, right, bottom, top) == (0, 400, 60, 0)
        assert np.array_equal(shown.get_array(), image)


def test_a_box_shows_a_part(nuclei):
    image = np.zeros((60, 400, 3), np.uint8)
    image[40:, 100:] = 200
    ax = plotting.overlay(nuclei, image, box=(100, 40, 50, 20), legend=False)
    (shown,) = ax.images
    assert shown.get_extent() == [100, 150, 60, 40]
    assert (np.asarray(shown.get_array()) == 200).all()
    (drawn,) = collections(ax)
    assert len(drawn.get_paths()) == 3
    with pytest.raises(KaryoscopeError, match="lies outside the image"):
        plotting.overlay(nuclei, image, box=(500, 0, 10, 10))
    with pytest.raises(KaryoscopeError, match="is not"):
        plotting.overlay(nuclei, image, box=(0, 0, -1, 10))


def test_large_images_are_reduced_and_stay_in_place(nuclei):
    image = np.zeros((900, 4200, 3), np.uint8)
    (shown,) = plotting.overlay(nuclei, image).images
    assert shown.get_array().shape[1] <= 2001
    left, right, bottom, _ = shown.get_extent()
    assert (left, right) == pytest.approx((0, 4200), abs=3)
    assert bottom == pytest.approx(900, abs=3)


def test_density_is_per_mm2(nuclei):
    ax = plotting.density_map(nuclei, bin_um=25, size=(400, 100))
    (shown,) = ax.images
    values = np.asarray(shown.get_array())
    # Bins of 25 µm, 50 px: the first row of squares lies in the first row of bins.
    assert values.shape == (2, 8)
    expected = np.histogram(nuclei.x[:20], np.arange(0, 401, 50))[0] / (25e-3) ** 2
    assert np.allclose(values[0], expected)
    assert values.sum() * 25e-3**2 == pytest.approx(40)
    assert shown.get_extent() == [0, 0.2, 0.05, 0]
    (one,) = plotting.density_map(nuclei, "lymphocyte", bin_um=25, size=(400, 100)).images
    assert np.asarray(one.get_array())[0].sum() == 0


@pytest.mark.parametrize("options", [{"bin_um": 0}, {"bin_um": 1e-6}, {"class_name": "none"}])
def test_density_of_nonsense_is_one_line(nuclei, options):
    with pytest.raises(KaryoscopeError):
        plotting.density_map(nuclei, **options)


def test_histogram_counts_each_class(nuclei):
    ax = plotting.histogram(nuclei, bins=4, limits=(10, 50))
    found = {p.get_label(): p.get_data().values.tolist() for p in ax.patches}
    assert found == {"epithelial 20": [10, 10, 0, 0], "lymphocyte 20": [0, 0, 10, 10]}
    assert ax.get_xlabel() == "area (µm²)"
    (line,) = plotting.histogram(nuclei, "nearest_um", by_class=False).patches
    assert line.get_data().values.sum() == 37
    with pytest.raises(KaryoscopeError, match="no column"):
        plotting.histogram(nuclei, "size")
    with pytest.raises(KaryoscopeError, match="holds no numbers"):
        plotting.histogram(nuclei, "class")


def test_bars_of_the_classes(nuclei):
    ax = plotting.class_bars(nuclei)
    lengths = dict(zip(LIZARD.names, [bar.get_width() for bar in ax.patches], strict=True))
    assert lengths == nuclei.counts()
    assert " 20 (50.0 %)" in [text.get_text() for text in ax.texts]


def test_no_nuclei_can_be_drawn():
    none = Nuclei.empty(LIZARD, 0.5)
    for draw in (plotting.overlay, plotting.density_map, plotting.histogram, plotting.class_bars):
        draw(none).figure.canvas.draw()


def test_own_axes_are_drawn_into(nuclei):
    figure, axes = plt.subplots(2, 2)
    draws = (plotting.overlay, plotting.density_map, plotting.histogram, plotting.class_bars)
    for draw, ax in zip(draws, axes.flat, strict=True):
        assert draw(nuclei, ax=ax) is ax
    figure.canvas.draw()
