import pytest
from tiny_networks import tiny

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.networks.deployed import Deployed  # noqa: E402
from karyoscope.networks.hovernet import VARIANTS, HoVerNet  # noqa: E402
from karyoscope.networks.preact_resnet import PreactResNet50  # noqa: E402

BOTH = ("np", "hv")
ALL = ("np", "hv", "types")


@pytest.mark.parametrize(
    ("variant", "outputs", "parameters"),
    [
        ("original", ALL, 54_744_457),
        ("original", BOTH, 45_028_676),
        ("fast", ALL, 37_639_561),
        ("fast", BOTH, 33_625_412),
    ],
)
def test_as_many_parameters_as_the_authors_program(variant, outputs, parameters):
    with torch.device("meta"):
        network = HoVerNet(4, variant, outputs=outputs)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(("variant", "size", "to"), [("original", 270, 80), ("fast", 256, 164)])
def test_sizes_of_the_paper(variant, size, to):
    with torch.device("meta"):
        network = HoVerNet(4, variant)
        outputs = network(torch.zeros(1, 3, size, size))
    assert {key: values.shape[1:] for key, values in outputs.items()} == {
        "np": (2, to, to),
        "hv": (2, to, to),
        "types": (5, to, to),
    }
    assert size - 2 * network.margin == to


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_context_gives_maps_of_the_whole_image(variant):
    with torch.device("meta"):
        network = HoVerNet(2, variant, width=0.125)
        for h, w in ((64, 64), (8, 104)):
            image = torch.zeros(1, 3, h + 2 * network.context, w + 2 * network.context)
            more = 2 * (network.context - network.margin)
            assert network(image)["np"].shape[2:] == (h + more, w + more)
    assert 0 <= network.context - network.margin < 8


@pytest.mark.parametrize("variant", ["original", "fast"])
def test_deployed_maps_lie_where_the_network_put_them(variant):
    network = tiny("hovernet", variant=variant)
    deployed = Deployed(network, [0.0] * 3, [1.0] * 3, ["np"]).eval()
    image = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    c, lost = network.context, network.context - network.margin
    padded = torch.nn.functional.pad(image.permute(0, 3, 1, 2) / 255, [c] * 4, mode="replicate")
    with torch.no_grad():
        expected = network(padded)["np"].softmax(1)[:, 1]
        maps = deployed(image)
    torch.testing.assert_close(maps["np"], expected[:, lost : lost + 64, lost : lost + 64])


def test_two_branches_with_classes_in_place_of_nuclear_pixels():
    with torch.device("meta"):
        outputs = HoVerNet(4, outputs=("types", "hv"))(torch.zeros(1, 3, 64, 64))
    assert outputs["types"].shape[1] == 5
    assert "np" not in outputs


def test_an_unknown_variant_is_named():
    with pytest.raises(KaryoscopeError, match="no variant 'slow'; there are original, fast"):
        HoVerNet(4, "slow")


class TestPreactResNet:
    def test_levels(self):
        with torch.device("meta"):
            encoder = PreactResNet50()
            features = encoder(torch.zeros(1, 3, 64, 64))
        assert [f.shape[1] for f in features] == encoder.channels == [256, 512, 1024, 2048]
        assert [64 // f.shape[2] for f in features] == encoder.strides

    def test_weights_from_a_file(self, tmp_path):
        from safetensors.torch import save_file

        encoder = PreactResNet50(width=0.125)
        save_file(encoder.state_dict(), tmp_path / "w.safetensors")
        loaded = PreactResNet50(tmp_path / "w.safetensors", width=0.125)
        for a, b in zip(encoder.parameters(), loaded.parameters(), strict=True):
            assert torch.equal(a, b)
        with pytest.raises(KaryoscopeError, match="do not fit"):
            PreactResNet50(tmp_path / "w.safetensors", width=0.25)

    def test_absent_weights_are_an_error(self, tmp_path):
        with pytest.raises(KaryoscopeError, match="no public weights"):
            PreactResNet50(pretrained=True, width=0.125)
        with pytest.raises(KaryoscopeError, match="do not exist"):
            PreactResNet50(tmp_path / "none.safetensors", width=0.125)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*legacy TorchScript:DeprecationWarning")
@pytest.mark.parametrize(
    "options", [{"variant": "fast"}, {"variant": "original"}, {"colours": "six"}]
)
def test_every_form_becomes_an_onnx_graph(options, full_precision_onnx):
    network = tiny("hovernet", **options)
    _, strides = full_precision_onnx(
        Deployed(network, [0.0] * 3, [1.0] * 3, network.outputs).eval()
    )
    assert strides == {"np": 1, "hv": 1, "tp": 1}


def test_without_a_branch_for_them_nuclear_pixels_are_those_of_any_class():
    network = tiny("hovernet", outputs=("types", "hv"))
    module = Deployed(network, [0.0] * 3, [1.0] * 3, network.outputs).eval()
    with torch.no_grad():
        maps = module(torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8))
    torch.testing.assert_close(maps["np"], maps["tp"][..., 1:].sum(-1))
