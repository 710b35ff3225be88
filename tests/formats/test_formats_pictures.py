"""Label image and overlay: pixels in the right place."""

from dataclasses import replace

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from some_nuclei import make_nuclei, read_plain

from karyoscope.core.errors import KaryoscopeError
from karyoscope.drawing import fit_text, legend_panel, round_length, text_width
from karyoscope.formats import ExportContext
from karyoscope.formats.images.insets import Insets
from karyoscope.formats.images.labels import LabelsWriter
from karyoscope.formats.images.overlay import OverlayWriter


def write(writer, path, context, *blocks):
    with writer(path, context) as opened:
        for block in blocks:
            opened.write(block)
    return path


@pytest.mark.parametrize("zlib_ng", [True, False])
def test_labels_are_those_of_the_table(tmp_path, nuclei, context, zlib_ng, monkeypatch):
    used, encode = [], imagecodecs.zlibng_encode
    monkeypatch.setattr(
        imagecodecs, "zlibng_encode", lambda *a, **k: (used.append(a), encode(*a, **k))[1]
    )
    if not zlib_ng:
        monkeypatch.setattr(imagecodecs.ZLIBNG, "available", False)
    path = write(LabelsWriter, tmp_path / "a.labels.tif", context, nuclei)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[0]
        assert (page.dtype, page.is_tiled, len(tif.series[0].levels)) == (np.uint32, True, 1)
        labels = page.asarray()
        assert 'PhysicalSizeX="0.5"' in tif.ome_metadata
    assert bool(used) == zlib_ng
    assert np.array_equal(labels, nuclei.label_image(600, 400))


def test_large_images_have_a_pyramid(tmp_path):
    nuclei = make_nuclei(4000, width=4500, height=1300)
    context = ExportContext("s", (4501, 1303), 0.5, nuclei.taxonomy, mpp_axes=(0.5, 0.25))
    path = write(LabelsWriter, tmp_path / "a.labels.tif", context, nuclei)
    full = nuclei.label_image(4501, 1303)
    with tifffile.TiffFile(path) as tif:
        levels = [level.asarray() for level in tif.series[0].levels]
        assert tif.pages[0].tile == (256, 256)
        assert tif.is_bigtiff
    assert [level.shape for level in levels] == [(1303, 4501), (651, 2250), (325, 1125), (162, 562)]
    for level in levels:
        assert np.array_equal(level, full[: level.shape[0], : level.shape[1]])
        full = full[::2, ::2]


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    seed=st.integers(0, 9),
    order=st.randoms(use_true_random=False),
)
def test_labels_do_not_depend_on_the_order_of_blocks(tmp_path_factory, width, height, seed, order):
    # Nuclei may reach beyond the image: here they fill 600 by 400 pixels whatever its size.
    nuclei = make_nuclei(200, seed=seed)
    context = ExportContext("s", (width, height), 0.5, nuclei.taxonomy)
    blocks = [nuclei.take(np.arange(i, i + 50)) for i in range(0, 200, 50)]
    order.shuffle(blocks)
    path = tmp_path_factory.mktemp("labels") / "a.labels.tif"
    write(LabelsWriter, path, context, *blocks)
    assert np.array_equal(tifffile.imread(path), nuclei.label_image(width, height))


def test_thin_slides_have_pixels_at_every_level(tmp_path):
    nuclei = make_nuclei(1)
    context = ExportContext("s", (1, 9000), 0.5, nuclei.taxonomy)
    path = write(LabelsWriter, tmp_path / "a.labels.tif", context, nuclei)
    with tifffile.TiffFile(path) as tif:
        shapes = [level.shape for level in tif.series[0].levels]
    assert shapes == [(9000, 1), (4500, 1), (2250, 1), (1125, 1), (562, 1)]


def test_overlay_draws_outlines_in_the_colour_of_the_class(tmp_path, nuclei, context):
    path = write(OverlayWriter, tmp_path / "a.overlay.jpg", context, nuclei)
    picture = cv2.imread(str(path))[:, :, ::-1]
    # 600 pixels are enlarged threefold.
    assert picture.shape[0] == 1200
    assert picture.shape[1] > 1800
    on_edge, off_edge = [], []
    for row in range(len(nuclei)):
        x, y = nuclei.outline(row)[0]
        if y > 330 and x < 150:
            continue  # under the scale bar
        color = nuclei.taxonomy.by_id(int(nuclei.class_id[row])).color
        on_edge.append(np.abs(picture[round(3 * y), round(3 * x)].astype(int) - color).max())
        centre = picture[round(3 * nuclei.y[row]), round(3 * nuclei.x[row])]
        off_edge.append(np.abs(centre.astype(int) - (230, 200, 225)).max())
    assert np.mean(np.array(on_edge) < 60) > 0.95
    # As JPEG keeps them: within a few levels.
    assert np.mean(np.array(off_edge) < 12) > 0.9


def test_large_slides_are_reduced_and_nuclei_filled(tmp_path):
    nuclei = make_nuclei(1)
    asked = []

    def read(x, y, width, height, mpp):
        asked.append((x, y, width, height, mpp))
        return read_plain(x, y, width, height, mpp)

    context = ExportContext("s", (40_001, 20_000), 0.25, nuclei.taxonomy, read=read)
    path = write(OverlayWriter, tmp_path / "a.overlay.jpg", context, nuclei.scale(0.25))
    # The whole slide in strips, then the square that holds the only nucleus at full resolution.
    corner = (480 * int(2 * nuclei.x[0] // 480), 480 * int(2 * nuclei.y[0] // 480))
    strips = [(0, top, 3637, min(512, 1819 - top), 0.25 * 11) for top in range(0, 1819, 512)]
    assert asked == [*strips, (*corner, 480, 480, None)]
    assert cv2.imread(str(path)).shape[0] == 1819


def test_insets_show_where_nuclei_are_many_and_mixed(tmp_path):
    crowd = make_nuclei(100, width=200, height=200).shift(2600, 1500)
    uniform = make_nuclei(100, width=200, height=200, seed=1).shift(300, 300)
    uniform = replace(uniform, class_id=np.tile([2, 3], 50))
    lone = make_nuclei(1).shift(2900, 100)
    context = ExportContext("s", (3600, 2400), 0.5, crowd.taxonomy, read=read_plain)
    insets = Insets(context, read_plain, tmp_path / "scratch")
    for block in (uniform, crowd, lone):
        insets.add(block)
    assert insets.side == 240
    assert insets.choose(1) == [(2640, 1440)]
    first, second = insets.choose(2)
    assert first == (240, 240)
    assert second == (2640, 1440)
    picture = insets.picture(second, 480)
    assert picture.shape == (480, 480, 3)
    drawn = (picture != read_plain(0, 0, 480, 480, None)).any(-1)
    assert 0.05 < drawn.mean() < 0.6
    # The square with a lone nucleus is not worth showing, however much room there is.
    assert insets.choose(50) == [first, second]


def test_a_large_image_without_nuclei_has_no_insets(tmp_path, context):
    context = replace(context, size=(3600, 2400))
    path = write(OverlayWriter, tmp_path / "a.overlay.jpg", context)
    assert cv2.imread(str(path)).shape[0] == 2400


def test_pixels_that_are_not_square(tmp_path, nuclei, context):
    def read(x, y, width, height, mpp):
        assert mpp is None
        return read_plain(x, y, width, height, mpp)

    context = replace(context, size=(8_000, 500), mpp_axes=(0.5, 0.4), read=read)
    path = write(OverlayWriter, tmp_path / "a.overlay.jpg", context, nuclei)
    assert cv2.imread(str(path)).shape[1] > 4_000


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (30, 20)])
def test_overlay_of_images_of_any_shape(tmp_path, context, size):
    path = write(OverlayWriter, tmp_path / "a.overlay.jpg", replace(context, size=size))
    assert cv2.imread(str(path)) is not None


def test_overlay_without_pixels_is_refused(tmp_path, context):
    with pytest.raises(KaryoscopeError, match="needs the pixels"):
        OverlayWriter(tmp_path / "a.overlay.jpg", replace(context, read=None))
    assert list(tmp_path.iterdir()) == []


def test_legend_grows_with_its_classes(context):
    counts = [(c, 12_345) for c in context.taxonomy.classes]
    panel = legend_panel("a" * 200, "model", counts, 20)
    assert panel.shape[0] > 20 * len(counts)
    assert (panel[:, 0] == 255).all()
    assert (panel[:, -1] == 255).all()
    for nucleus_class, _ in counts:
        assert (panel == nucleus_class.color).all(-1).any()


@given(st.floats(1e-3, 1e6))
def test_round_length(about):
    found = round_length(about)
    assert about / 2.5 < found <= about * (1 + 1e-6)


def test_long_titles_are_cut_in_the_middle():
    text = "a_very_long_name_of_a_slide_that_goes_on.svs"
    short = fit_text(text, 200, 20)
    assert text_width(short, 20) <= 200
    assert short.startswith("a_v")
    assert short.endswith("svs")
    assert fit_text("short", 200, 20) == "short"
