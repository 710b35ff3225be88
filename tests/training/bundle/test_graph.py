"""Graphs of a tiny network: fixed padding, half weights, eight-bit convolutions."""

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.openvino_offline import ov

pytest.importorskip("lightning")
pytest.importorskip("onnx")

import onnx
import torch
from torch import nn

from karyoscope.networks import build_network
from karyoscope.networks.deployed import Deployed
from karyoscope.networks.padding import fix_padding
from karyoscope.training.bundle.graph import check_graph, differences, with_half_weights, write_onnx
from karyoscope.training.weights import bears_half


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    network = build_network(
        "shared_unet", 2, encoder="tf_efficientnet_lite0", channels=[16, 16, 16, 16]
    )
    return Deployed(network, [0.5] * 3, [0.5] * 3, ["three_label", "types"]).eval()


@pytest.fixture(scope="module")
def graph(module):
    return write_onnx(module)[0]


@pytest.fixture(scope="module")
def tiles():
    return np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (5, 2), (4, 2), (3, 1), (2, 2)])
def test_a_fixed_padding_is_that_of_the_layer(kernel, stride):
    from timm.layers import Conv2dSame

    layer = nn.Sequential(Conv2dSame(3, 4, kernel, stride))
    x = torch.randn(1, 3, 32, 64)
    expected = layer(x)
    assert torch.equal(fix_padding(layer)(x), expected)
    assert not any(isinstance(child, Conv2dSame) for child in layer.modules())


def test_the_graph_has_no_size_arithmetic(graph, module):
    kinds = {node.op_type for node in onnx.load_from_string(graph).graph.node}
    assert "Ceil" not in kinds
    assert any(type(child).__name__ == "Conv2dSame" for child in module.modules())


def test_half_weights_halve_the_file_and_change_little(graph, module):
    half = with_half_weights(graph)
    assert len(half) < 0.6 * len(graph)
    check_graph(half, module, tolerance=0.05)


def test_a_graph_of_other_weights_is_refused(graph):
    torch.manual_seed(1)
    other = build_network(
        "shared_unet", 2, encoder="tf_efficientnet_lite0", channels=[16, 16, 16, 16]
    )
    module = Deployed(other, [0.5] * 3, [0.5] * 3, ["three_label", "types"]).eval()
    with pytest.raises(KaryoscopeError, match="differs from torch"):
        check_graph(graph, module, tolerance=0.005)


@pytest.fixture(scope="module", params=[False, True], ids=["decoder", "and encoder"])
def quantised(request, graph, module, tiles):
    """Whether the encoder is quantised, too, and the graph."""
    pytest.importorskip("onnxruntime")
    from karyoscope.training.bundle.quantisation import quantise

    return request.param, quantise(graph, module, tiles, request.param)


def of_eight_bits(quantised):
    """Names of all convolutions of a graph, and of those in eight-bit integers."""
    nodes = onnx.load_from_string(quantised).graph.node
    made_by = {output: node for node in nodes for output in node.output}
    every = {node.name: node for node in nodes if node.op_type == "Conv"}
    is_quantised = {
        name
        for name, node in every.items()
        if node.input[0] in made_by and made_by[node.input[0]].op_type == "DequantizeLinear"
    }
    return set(every), is_quantised


def test_quantised_convolutions_are_those_asked_for(quantised):
    encoder, graph = quantised
    every, eight_bit = of_eight_bits(graph)
    outside = {name for name in every if "/encoder/" not in name}
    assert len(outside) == 11
    assert (outside < eight_bit) if encoder else (outside == eight_bit)
    nodes = onnx.load_from_string(graph).graph.node
    added = {name for node in nodes if node.op_type == "Add" for name in node.input}
    made = {node.name: node.output[0] for node in nodes if node.op_type == "Conv"}
    assert any(name in added for name in made.values())
    assert not [name for name in eight_bit if made[name] in added]


def test_eight_bits_do_not_make_maps_depend_on_whether_the_size_is_known(quantised, tiles):
    core = ov.Core()
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU does not compute in bf16")
    graph = core.read_model(quantised[1])
    fixed = graph.clone()
    fixed.reshape([1, *tiles.shape[1:]])
    options = {"INFERENCE_PRECISION_HINT": "bf16"}
    free, known = (core.compile_model(each, "CPU", options) for each in (graph, fixed))
    for one, other in zip(free(tiles[:1]).values(), known(tiles[:1]).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_quantised_network_gives_nearly_the_same_maps(quantised, module, tiles):
    encoder, graph = quantised
    change = max(np.abs(d).mean() for d in differences(with_half_weights(graph), module, tiles))
    assert change < (0.02 if encoder else 0.01)


def with_channels_of_different_scale(graph, name):
    """The graph with a step before a convolution that the convolution undoes.

    Eight-bit integers have one scale for all channels: where one is a thousand times the others,
    these are lost.
    """
    model = onnx.load_from_string(graph)
    node = next(node for node in model.graph.node if node.name == name)
    kernel = next(t for t in model.graph.initializer if t.name == node.input[1])
    weights = onnx.numpy_helper.to_array(kernel).copy()
    scale = np.ones((1, weights.shape[1], 1, 1), np.float32)
    scale[:, 0] = 1000
    weights[:, 0] /= 1000
    kernel.CopyFrom(onnx.numpy_helper.from_array(weights, kernel.name))
    model.graph.initializer.append(onnx.numpy_helper.from_array(scale, "scale"))
    multiply = onnx.helper.make_node("Mul", [node.input[0], "scale"], ["scaled"])
    model.graph.node.insert(list(model.graph.node).index(node), multiply)
    node.input[0] = "scaled"
    return model.SerializeToString()


class FourLayers(nn.Module):
    """Three convolutions as encoder, one as decoder."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(*(nn.Conv2d(n, 8, 3, padding=1) for n in (3, 8, 8)))
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        return {"three_label": self.head(self.encoder(x))}


@pytest.mark.parametrize("spoilt", [None, 0, 1, 2])
def test_layers_of_the_encoder_up_to_one_that_changes_the_maps_most_stay_in_float(spoilt, tiles):
    pytest.importorskip("onnxruntime")
    from karyoscope.training.bundle.quantisation import in_eight_bits, sensitive

    torch.manual_seed(0)
    module = Deployed(FourLayers(), [0.5] * 3, [0.5] * 3, ["three_label"]).eval()
    graph = write_onnx(module)[0]
    *inside, outside = (
        n.name for n in onnx.load_from_string(graph).graph.node if n.op_type == "Conv"
    )
    if spoilt is not None:
        graph = with_channels_of_different_scale(graph, inside[spoilt])
        check_graph(graph, module, tolerance=5e-3)
    quantised = in_eight_bits(graph, [*inside, outside], tiles)
    found = sensitive(graph, quantised, [outside], inside, tiles)
    assert found == ([] if spoilt is None else inside[: spoilt + 1])
    assert sensitive(graph, quantised, [outside], [], tiles) == []


def test_a_quantised_network_that_changed_too_much_is_refused(graph, module, tiles, monkeypatch):
    pytest.importorskip("onnxruntime")
    from karyoscope.training.bundle import quantisation as quantise

    monkeypatch.setattr(quantise, "TOLERANCE", 0.0)
    with pytest.raises(KaryoscopeError, match="quantisation changes the maps by"):
        quantise.quantise(graph, module, tiles)


class Scaled(nn.Module):
    """A network whose distances are thousands of times those of the one before it."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.conv = nn.Conv2d(3, 64, 3, padding=1)
        self.head = nn.Conv2d(64, 2, 1)

    def forward(self, x):
        return {"hv": self.head(self.conv(x)) * self.factor}


def deployed_of(network):
    return Deployed(network, [0.5] * 3, [0.5] * 3, ["hv"]).eval()


def test_a_map_of_large_values_is_compared_by_its_range():
    torch.manual_seed(0)
    network = Scaled(1e5)
    module = deployed_of(network)
    graph, _ = write_onnx(module)
    half = with_half_weights(graph)
    images = np.random.default_rng(0).integers(0, 256, (1, 160, 96, 3), np.uint8)
    # In values it is far off, in its range it is not.
    assert np.abs(differences(half, module, images)[0]).max() > 1
    check_graph(half, module, tolerance=0.05)
    with pytest.raises(KaryoscopeError, match="map 'hv'"):
        check_graph(half, deployed_of(Scaled(1e5)), tolerance=0.05)


@pytest.mark.parametrize("factor", [1e-4, 0.1])
def test_a_map_of_small_values_is_compared_by_its_range_too(factor):
    torch.manual_seed(0)
    module = deployed_of(Scaled(factor))
    graph, _ = write_onnx(module)
    with pytest.raises(KaryoscopeError, match="map 'hv'"):
        check_graph(graph, deployed_of(Scaled(factor)), tolerance=0.05)


@pytest.mark.parametrize("level", [0.0, 7.0])
def test_a_flat_map_is_no_other_for_what_sums_are_rounded_by(level):
    torch.manual_seed(0)
    network = Scaled(1.0)
    with torch.no_grad():
        network.head.weight.mul_(1e-6)
        network.head.bias.fill_(level)
    write_onnx(deployed_of(network))


def test_vectors_and_values_beyond_half_precision_stay_in_single():
    assert not bears_half(torch.full((2048,), 2.0))
    assert not bears_half(torch.full((64, 64), 1e6))
    assert bears_half(torch.full((64, 64), 2.0))


def test_weights_stay_in_single_precision_where_half_changes_a_map(module, graph, monkeypatch):
    from karyoscope.training.bundle import export

    monkeypatch.setattr(export, "HALF_TOLERANCE", 0.0)
    kept, weights = export.small_graph(graph, module)
    # Compared first, since a difference of megabytes would be described for minutes.
    same = kept == graph
    assert same
    assert len(weights) > 4 * sum(p.numel() for p in module.network.parameters())
