"""A trained model -> maps: bundles, engines, test-time augmentation."""

from karyoscope.inference.bundle import Bundle
from karyoscope.inference.devices import DEVICES
from karyoscope.inference.engine import Engine, Maps
from karyoscope.inference.ensemble import Ensemble
from karyoscope.inference.find import find_bundle, shipped_models
from karyoscope.inference.model import Model, load_model
from karyoscope.inference.tta import VIEWS

__all__ = [
    "DEVICES",
    "VIEWS",
    "Bundle",
    "Engine",
    "Ensemble",
    "Maps",
    "Model",
    "find_bundle",
    "load_model",
    "shipped_models",
]
