"""One model in several threads: each call gets the maps of its own image, on every engine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from karyoscope.core.optional import installed
from karyoscope.inference import Bundle, Engine
from karyoscope.inference.openvino_engine import OpenVinoEngine
from made_tissue import made_tissue

IMAGES = [made_tissue(96, 96 + 32 * (n % 3), seed=n)[None] for n in range(8)]
CALLS = 200


def engine_of(name: str, bundle: Bundle) -> Engine:
    if name == "openvino":
        return OpenVinoEngine(bundle, 1, "f32")
    if name == "onnxruntime":
        pytest.importorskip("onnxruntime")
        from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(bundle)
    torch = pytest.importorskip("torch")
    from karyoscope.inference.torch_engine import TorchEngine

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 8, 5, padding=2)
            self.drop = torch.nn.Dropout2d(0.5)

        def forward(self, images):
            maps = self.drop(self.conv(images.permute(0, 3, 1, 2).float() / 255))
            return {"np": maps.permute(0, 2, 3, 1)}

    torch.manual_seed(0)
    return TorchEngine(Small().eval(), autocast=False)


@pytest.mark.parametrize("name", ["openvino", "onnxruntime", "torch"])
def test_each_thread_gets_its_own_maps(name, tiny_bundle):
    engine = engine_of(name, Bundle(tiny_bundle))
    alone = [engine.run(image) for image in IMAGES]

    def work(call: int) -> bool:
        maps = engine.run(IMAGES[call % len(IMAGES)])
        expected = alone[call % len(IMAGES)]
        return all(np.allclose(maps[key], values, atol=1e-5) for key, values in expected.items())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(CALLS)))


@pytest.mark.skipif(not installed("torch"), reason="dropout is torch's alone")
def test_dropout_of_one_thread_is_not_another_s(tiny_bundle):
    """Views with dropout turn it on in the network that the other threads share."""
    engine = engine_of("torch", Bundle(tiny_bundle))
    alone = [(engine.run(image), engine.run_at_random(image, 3)) for image in IMAGES]

    def work(call: int) -> bool:
        image, (plain, random) = IMAGES[call % 8], alone[call % 8]
        found, expected = (
            (engine.run(image), plain) if call % 2 else (engine.run_at_random(image, 3), random)
        )
        return np.allclose(found["np"], expected["np"], atol=1e-5)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(CALLS)))


def test_segment_in_threads(tiny_model):
    import karyoscope

    images = [image[0] for image in IMAGES]
    alone = [karyoscope.segment(image, 0.5, tiny_model) for image in images]

    def work(call: int) -> bool:
        found = karyoscope.segment(images[call % 8], 0.5, tiny_model)
        return np.array_equal(found.vertices, alone[call % 8].vertices)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(CALLS // 2)))


@pytest.fixture
def tiny_model(tiny_bundle):
    from karyoscope.inference import Model

    bundle = Bundle(tiny_bundle)
    return Model(bundle, OpenVinoEngine(bundle, 1, "f32"))


@pytest.mark.parametrize("expected", [True, False])
def test_threads_of_the_network_may_change_cores(expected, tiny_bundle):
    engine = OpenVinoEngine(Bundle(tiny_bundle), 2)
    if expected:
        engine.expect({IMAGES[0].shape[1:3]})
    compiled = engine._request(IMAGES[0]).get_compiled_model()
    assert compiled.get_property("ENABLE_CPU_PINNING") is False
