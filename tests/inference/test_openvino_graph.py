"""Graphs that OpenVINO computes in less time give the maps of the graphs they were made from."""

import numpy as np
import pytest

from karyoscope.core.openvino_offline import ov
from karyoscope.inference import load_model
from karyoscope.inference.openvino_graph import normalise_before_transposing, shuffle_after_softmax

ops = ov.opset13
SHAPE = (1, 32, 48, 3)


def _network(mode="depth_first", axis=1, whole=False, order=(0, 3, 1, 2)):
    """Bytes to normalised planes, a convolution, and the shares of three labels at every pixel."""
    random = np.random.default_rng(0)
    image = ops.parameter(SHAPE, np.uint8, "image")
    planes = ops.convert(ops.transpose(image, ops.constant(np.array(order))), "f32")
    mean = random.uniform(100, 150, (1, 3, 1, 1)).astype(np.float32)
    pixels = ops.divide(ops.subtract(planes, mean), np.float32(50))
    kernel = random.normal(0, 0.5, (12, 3, 2, 2)).astype(np.float32)
    scores = ops.convolution(pixels, kernel, [2, 2], [0, 0], [0, 0], [1, 1])
    shares = ops.softmax(ops.depth_to_space(scores, mode, 2), axis)
    outputs = [ops.gather(shares, ops.constant(i), ops.constant(1)) for i in (1, 2)]
    results = [ops.result(output) for output in (*outputs, *([shares] if whole else []))]
    for result, name in zip(results, ("inside", "boundary", "all"), strict=False):
        result.input_value(0).set_names({name})
    return ov.Model(results, [image])


def _maps(graph):
    graph.validate_nodes_and_infer_types()
    pixels = np.random.default_rng(1).integers(0, 256, SHAPE, np.uint8)
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled([pixels])
    return {output.get_any_name(): found[output] for output in compiled.outputs}


def _kinds(graph):
    return [n.get_type_name() for n in graph.get_ordered_ops() if n.get_type_name() != "Constant"]


@pytest.mark.parametrize("change", [normalise_before_transposing, shuffle_after_softmax])
def test_a_changed_graph_gives_the_same_maps(change):
    expected = _maps(_network())
    graph = _network()
    assert change(graph)
    found = _maps(graph)
    assert list(found) == list(expected) == ["inside", "boundary"]
    for name, values in found.items():
        # Another order of the same additions may round otherwise.
        np.testing.assert_allclose(values, expected[name], atol=1e-6)
        assert values.shape == expected[name].shape == (1, 32, 48)


def test_bytes_are_normalised_before_they_are_transposed():
    graph = _network()
    normalise_before_transposing(graph)
    assert _kinds(graph)[:5] == ["Parameter", "Convert", "Subtract", "Divide", "Transpose"]


def test_only_the_channels_that_are_used_are_spread_over_pixels():
    graph = _network()
    assert shuffle_after_softmax(graph) == 2
    kinds = _kinds(graph)
    assert kinds.index("Softmax") < kinds.index("DepthToSpace")
    spread = [n for n in graph.get_ordered_ops() if n.get_type_name() == "DepthToSpace"]
    assert [list(node.get_output_shape(0)) for node in spread] == [[1, 1, 32, 48]] * 2


@pytest.mark.parametrize(
    "other",
    [{"mode": "blocks_first"}, {"axis": 2}, {"whole": True}],
    ids=["other order of channels", "softmax along rows", "all channels used"],
)
def test_a_shuffle_with_another_meaning_stays(other):
    graph = _network(**other)
    before = _kinds(graph)
    assert shuffle_after_softmax(graph) == 0
    assert _kinds(graph) == before


def test_a_shuffle_of_unknown_size_stays():
    graph = _network()
    graph.reshape([-1, -1, -1, 3])
    assert shuffle_after_softmax(graph) == 0


def test_another_order_of_the_axes_stays():
    graph = _network(order=(0, 3, 2, 1))
    assert not normalise_before_transposing(graph)
    assert _kinds(graph)[:2] == ["Parameter", "Transpose"]


def test_the_maps_of_the_shipped_model_are_the_same_bits_for_a_size_that_is_expected():
    model = load_model("lizard", "cpu", threads=1)
    pixels = np.random.default_rng(2).integers(0, 256, (96, 128, 3), np.uint8)
    free = model.predict(pixels)
    model.engine.expect({(96, 128)})
    expected = model.predict(pixels)
    for name, values in free.items():
        np.testing.assert_array_equal(expected[name], values)
