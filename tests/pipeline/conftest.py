"""Tissue and models that the pipeline is tested with."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import tiny_model
from karyoscope.inference import Bundle, Model, load_model, shipped_models

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def tissue() -> np.ndarray:
    """Real tissue with glass beside it, (760, 900, 3) uint8 at 0.499 µm/px."""
    whole = tifffile.imread(ROOT / "examples" / "CMU-1-Small-Region.svs")
    return np.ascontiguousarray(whole[700:1460, 700:1600])


@pytest.fixture(scope="session")
def threshold_model(tmp_path_factory) -> Model:
    """Thresholds of colour: quick, and the same in any window."""
    # The engine is not in the bundle; the digest of a file that nobody reads stands for it.
    folder = tiny_model.write_card(
        tmp_path_factory.mktemp("models") / "thresholds", files={"model.onnx": "0" * 64}
    )
    engine = tiny_model.RememberingEngine(tiny_model.ThresholdEngine())
    return Model(Bundle(folder), engine)


@pytest.fixture(scope="session")
def shipped_model() -> Model:
    """The model that users get."""
    if "lizard" not in shipped_models():
        pytest.skip("needs the shipped model, which is not in this checkout")
    model = load_model("lizard", device="cpu", threads=1)
    return Model(model.bundle, tiny_model.RememberingEngine(model.engine))
