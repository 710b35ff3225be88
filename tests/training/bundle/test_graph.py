"""Graphs of a tiny network: fixed padding, half weights, eight-bit convolutions."""

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError

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


@pytest.mark.parametrize("encoder", [False, True])
def test_quantised_convolutions_are_those_asked_for(graph, module, tiles, encoder):
    pytest.importorskip("onnxruntime")
    from karyoscope.training.bundle.quantisation import quantise

    model = onnx.load_from_string(quantise(graph, module, tiles, encoder))
    made_by = {output: node for node in model.graph.node for output in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    eight_bit = {
        node.name for node in convolutions if made_by[node.input[0]].op_type == "DequantizeLinear"
    }
    assert eight_bit == {n.name for n in convolutions if encoder or "/encoder/" not in n.name}
    assert (len(eight_bit) > 11) if encoder else (len(eight_bit) == 11)


@pytest.mark.parametrize(("encoder", "change"), [(False, 0.01), (True, 0.02)])
def test_a_quantised_network_gives_nearly_the_same_maps(graph, module, tiles, encoder, change):
    pytest.importorskip("onnxruntime")
    from karyoscope.training.bundle.quantisation import quantise

    quantised = with_half_weights(quantise(graph, module, tiles, encoder))
    assert max(np.abs(d).mean() for d in differences(quantised, module, tiles)) < change


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


def test_vectors_and_values_beyond_half_precision_stay_in_single():
    assert not bears_half(torch.full((2048,), 2.0))
    assert not bears_half(torch.full((64, 64), 1e6))
    assert bears_half(torch.full((64, 64), 2.0))


def test_weights_stay_in_single_precision_where_half_changes_a_map(module, graph, monkeypatch):
    from karyoscope.training.bundle import export

    monkeypatch.setattr(export, "HALF_TOLERANCE", 0.0)
    kept, weights = export.small_graph(graph, module)
    assert kept == graph
    assert len(weights) > 4 * sum(p.numel() for p in module.network.parameters())
