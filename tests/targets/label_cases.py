"""Label maps by hand and by chance, shared by the tests of targets."""

import numpy as np
import pytest
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

#: Values of a pixel of background, and of one without a label (None: any), of the targets that
#: are not 0 on both and not a label, which is 255 where there is none.
NOTHING = {"weight_map": (1, None), "class_sets": (1, 0), "nuclei": (0, 0),
           "points": (255, 255), "point_sets": (0, 0)}  # fmt: skip


@st.composite
def label_maps(draw, largest: int = 24) -> torch.Tensor:
    """Random rectangles over one another: ids with gaps, touching, cut in parts, at the edges."""
    b, h, w = draw(st.integers(1, 3)), draw(st.integers(3, largest)), draw(st.integers(3, largest))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ids = np.zeros((b, h, w), np.int32)
    for label in rng.permutation(40)[: draw(st.integers(0, 12))] + 1:
        k, y, x = rng.integers(b), rng.integers(h), rng.integers(w)
        ids[k, y : y + rng.integers(1, 9), x : x + rng.integers(1, 9)] = label
    return torch.from_numpy(ids)
