"""What every registered network does."""

import pytest
from tiny_networks import TINY, tiny

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.core.maps import MAPS  # noqa: E402
from karyoscope.networks import NETWORKS, build_network  # noqa: E402
from karyoscope.networks.deployed import ACTIVATIONS, Deployed  # noqa: E402
from karyoscope.networks.outputs import output_channels  # noqa: E402


@pytest.mark.parametrize("name", sorted(NETWORKS))
class TestContract:
    def test_outputs_are_as_declared_at_any_size(self, name):
        network = tiny(name)
        channels = output_channels(network.outputs, 3)
        for h, w in ((64, 64), (96, 64), (64, 160)):
            with torch.no_grad():
                outputs = network(torch.randn(2, 3, h, w))
            assert tuple(outputs) == tuple(network.outputs)
            for key, values in outputs.items():
                stride = h // values.shape[2]
                assert stride in (1, 2)
                assert values.shape == (2, channels[key], h // stride, w // stride)
                assert torch.isfinite(values).all()

    def test_auxiliary_outputs_are_outputs_and_leave_some(self, name):
        network = tiny(name)
        assert set(network.auxiliary) < set(network.outputs)

    def test_classes_are_counted_without_background(self, name):
        network = tiny(name, n_classes=6)
        with torch.no_grad():
            outputs = network(torch.randn(1, 3, 64, 64))
        channels = output_channels(network.outputs, 6)
        assert {key: values.shape[1] for key, values in outputs.items()} == channels

    def test_gradients_reach_every_parameter(self, name):
        network = tiny(name)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                # Residual branches may start closed, with a scale of 0.
                torch.nn.init.ones_(module.weight)
        outputs = network(torch.randn(2, 3, 64, 64))
        sum((values**2).mean() for values in outputs.values()).backward()
        for key, parameter in network.named_parameters():
            assert parameter.grad is not None, key
            assert torch.isfinite(parameter.grad).all(), key
            assert parameter.ndim == 1 or parameter.grad.any(), key

    def test_evaluation_repeats_and_images_do_not_meet(self, name):
        network = tiny(name)
        images = torch.randn(2, 3, 64, 96)
        with torch.no_grad():
            first, again, alone = network(images), network(images), network(images[1:])
        for key in first:
            assert torch.equal(first[key], again[key])
            torch.testing.assert_close(alone[key][0], first[key][1], rtol=1e-2, atol=1e-2)

    def test_the_encoder_is_a_part_of_its_own(self, name):
        network = tiny(name)
        inside = {id(p) for p in network.encoder.parameters()}
        assert inside
        assert inside < {id(p) for p in network.parameters()}

    def test_state_survives_saving(self, name):
        network, other = tiny(name), build_network(name, 3, **TINY.get(name, {})).eval()
        other.load_state_dict(network.state_dict())
        image = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            for a, b in zip(network(image).values(), other(image).values(), strict=True):
                assert torch.equal(a, b)

    def test_deployed_it_gives_standard_maps_of_the_whole_image(self, name):
        network = tiny(name)
        assert set(network.outputs) <= set(ACTIVATIONS)
        deployed = Deployed(network, [0.5] * 3, [0.25] * 3, network.outputs).eval()
        images = torch.randint(0, 256, (1, 64, 96, 3), dtype=torch.uint8)
        with torch.no_grad():
            maps = deployed(images)
        assert set(maps) <= set(MAPS)
        for key, values in maps.items():
            stride = deployed.strides()[key]
            assert values.shape[:3] == (1, 64 // stride, 96 // stride)
            assert values.dtype == torch.float32
            if MAPS[key].meaning.startswith("probability"):
                assert values.min() >= 0
                assert values.max() <= 1

    def test_an_unknown_option_is_named(self, name):
        with pytest.raises(KaryoscopeError, match="colour_of_the_sky"):
            build_network(name, 3, colour_of_the_sky="blue")

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore:.*legacy TorchScript:DeprecationWarning")
    def test_it_becomes_an_onnx_graph(self, name, full_precision_onnx):
        network = tiny(name)
        kept = [output for output in network.outputs if output not in network.auxiliary]
        graph, strides = full_precision_onnx(Deployed(network, [0.5] * 3, [0.25] * 3, kept).eval())
        assert graph
        assert set(strides.values()) <= {1, 2}

    def test_an_unknown_output_is_named(self, name):
        if not NETWORKS.takes(name, "outputs"):
            pytest.skip("its outputs are fixed")
        with pytest.raises(KaryoscopeError, match="no output 'depth'"):
            tiny(name, outputs=["depth"])


def test_an_unknown_network_is_named():
    with pytest.raises(KaryoscopeError, match="no network 'alexnet'; there are "):
        build_network("alexnet", 3)
