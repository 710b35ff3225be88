"""What every engine must do; a new one inherits this by its line in DEVICES."""

import numpy as np
import pytest
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import DEVICES, Bundle, Engine
from karyoscope.inference.devices import open_engine
from karyoscope.inference.openvino_engine import OpenVinoEngine


@pytest.fixture(scope="module")
def bundle(tiny_bundle) -> Bundle:
    return Bundle(tiny_bundle)


@pytest.fixture(scope="module", params=DEVICES)
def engine(request, bundle) -> Engine:
    try:
        return open_engine(bundle, request.param, 1)
    except KaryoscopeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def images(example_slide) -> np.ndarray:
    tissue = tifffile.imread(example_slide)[1000:1320, 900:1284]
    return np.stack([tissue, tissue[::-1]])


def test_maps_are_those_of_openvino(engine, bundle, images):
    expected = OpenVinoEngine(bundle, 1, "f32").run(images)
    maps = engine.run(images)
    assert set(maps) >= set(bundle.card.maps)
    for name, stride in bundle.card.maps.items():
        assert maps[name].dtype == np.float32
        assert maps[name].shape == expected[name].shape
        assert maps[name].shape[:3] == (2, 320 // stride, 384 // stride)
        assert np.abs(maps[name] - expected[name]).mean() < 0.02, name


def test_the_same_images_give_the_same_maps(engine, images):
    first, again = engine.run(images), engine.run(images)
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])


def test_an_engine_states_where_it_runs(engine):
    assert engine.device
    assert engine.batch >= 1
    assert engine.calls_at_once >= 1
