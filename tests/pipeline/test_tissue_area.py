"""No region with nuclei is left out, on real images whose nuclei people outlined."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from karyoscope.pipeline import Layout, area_of, plan_blocks
from karyoscope.slides import open_slide

DATA = Path(__file__).parents[1] / "data" / "dsb2018"
IMAGES = sorted((DATA / "images").glob("*.png"))
GLASS = (243, 242, 244)
EDGE = 3200


def annotated(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rgb = np.asarray(Image.open(path).convert("RGB"))
    return rgb, np.asarray(Image.open(DATA / "labels" / path.name)).astype(int)


def boxes(labels: np.ndarray):
    """Rows and columns of each nucleus, from the top and left."""
    for label in np.unique(labels[labels > 0]):
        rows, columns = np.nonzero(labels == label)
        yield rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def glass() -> np.ndarray:
    """An empty slide, with the noise of a camera, large enough to look for tissue on."""
    noise = np.random.default_rng(0).integers(-2, 3, (EDGE, EDGE, 1))
    return (np.array(GLASS) + noise).astype(np.uint8)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_every_nucleus_of_a_piece_of_tissue_is_analysed(path):
    rgb, labels = annotated(path)
    x, y = 1501, 907
    picture = glass()
    picture[y : y + rgb.shape[0], x : x + rgb.shape[1]] = rgb
    with open_slide(picture, 0.5) as slide:
        area = area_of(slide, 0.5)
        layout = Layout(EDGE, EDGE, largest=448)
        owned = [step.block.own for step in plan_blocks(layout, area)]
    assert area.tissue is not None
    assert 0 < area.tissue.fraction < 0.25
    assert len(owned) < 0.35 * len(list(layout.blocks()))
    places = [((a + b) / 2 + y, (c + d) / 2 + x) for a, b, c, d in boxes(labels)]
    assert len(places) > 3
    for row, column in places:
        assert any(b.left <= column < b.right and b.top <= row < b.bottom for b in owned)


def test_nuclei_that_lie_alone_are_analysed():
    """Cut out with 3 px around them, and strewn over the glass: blood, and cells that fell off."""
    rng = np.random.default_rng(0)
    picture, places = glass(), []
    for path in IMAGES:
        rgb, labels = annotated(path)
        for top, bottom, left, right in list(boxes(labels))[::7]:
            cut = rgb[max(0, top - 3) : bottom + 3, max(0, left - 3) : right + 3]
            if min(bottom - top, right - left) < 8:
                continue
            y, x = rng.integers(0, EDGE - 100, 2)
            picture[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
            places.append((x + cut.shape[1] / 2, y + cut.shape[0] / 2))
    with open_slide(picture, 0.5) as slide:
        tissue = area_of(slide, 0.5).tissue
    assert len(places) > 20
    lost = [place for place in places if not tissue.contains(*place, 1, 1)]
    assert lost == []
