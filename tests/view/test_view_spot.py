"""A click outlines the nucleus that the model sees there."""

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.metrics import pair_points
from karyoscope.pipeline import prepare_model, segment
from karyoscope.slides import open_slide
from karyoscope.view.spot import SpotSegmenter


@pytest.mark.slow
def test_a_click_finds_the_nucleus_that_the_model_finds_in_the_slide(example_slide):
    model = prepare_model("lizard", "cpu", 1)
    found = segment(example_slide, model=model, roi=(900, 2200, 200, 200))
    click = SpotSegmenter(model)
    with pytest.raises(KaryoscopeError, match="lizrd"):
        SpotSegmenter.load("lizrd")
    with open_slide(example_slide) as slide:
        centres = []
        for row in range(0, len(found), 9):
            outline, name = click(slide, found.x[row], found.y[row])
            centres.append(np.mean(outline, 0))
            assert name in model.taxonomy.names
        wanted = np.stack([found.x, found.y], 1)[::9]
        pairs, _ = pair_points(wanted, np.array(centres), radius=4)
        assert len(pairs) >= 0.9 * len(wanted)
        assert click(slide, found.x[row], found.y[row]) == (outline, name)
        with pytest.raises(KaryoscopeError, match="no nucleus here"):
            click(slide, 60, 1200)
