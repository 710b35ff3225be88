"""A real H&E picture that the slides of these tests are made of."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """Tissue of odd size, (331, 467, 3) uint8, read without our own code."""
    whole = tifffile.imread(ROOT / "examples" / "CMU-1-Small-Region.svs")
    return np.ascontiguousarray(whole[900:1231, 800:1267])
