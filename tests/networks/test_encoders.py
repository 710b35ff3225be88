import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.networks.encoder import Encoder  # noqa: E402
from karyoscope.networks.full_resolution import FullResolutionEncoder  # noqa: E402
from karyoscope.networks.hovernet import HoVerNet  # noqa: E402

BACKBONES = ["test_resnet", "test_convnext", "test_efficientnet"]


@pytest.mark.parametrize("name", BACKBONES)
def test_any_backbone_at_full_resolution(name):
    encoder = FullResolutionEncoder(name).eval()
    with torch.no_grad():
        features = encoder(torch.randn(1, 3, 64, 96))
    assert [f.shape[1] for f in features] == encoder.channels
    assert [(64 // f.shape[2], 96 // f.shape[3]) for f in features] == [
        (1, 1), (2, 2), (4, 4), (8, 8),
    ]  # fmt: skip


@pytest.mark.parametrize("name", BACKBONES)
def test_hovernet_over_any_backbone(name):
    network = HoVerNet(3, encoder=name, width=0.125)
    outputs = network(torch.randn(2, 3, 64, 64))
    assert outputs["types"].shape == (2, 4, 64, 64)
    sum(values.square().mean() for values in outputs.values()).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_a_patchifying_stem_becomes_seven_by_seven():
    stem = FullResolutionEncoder("test_convnext").backbone.stem_0
    assert stem.kernel_size == (7, 7)
    assert stem.stride == (1, 1)


def test_other_stems_keep_their_weights(tmp_path):
    from safetensors.torch import save_file

    full = timm.create_model("test_resnet")
    save_file(full.state_dict(), tmp_path / "w.safetensors")
    encoder = FullResolutionEncoder("test_resnet", tmp_path / "w.safetensors")
    assert torch.equal(encoder.backbone.conv1[0].weight, full.conv1[0].weight)


def test_six_input_channels():
    encoder = FullResolutionEncoder("test_convnext", in_channels=6)
    assert encoder(torch.randn(1, 6, 32, 32))[0].shape[2] == 32


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "no_such_model"])
def test_backbones_that_do_not_fit_are_named(name):
    with pytest.raises(KaryoscopeError, match=name):
        FullResolutionEncoder(name)


def test_levels_can_be_chosen():
    encoder = Encoder("test_efficientnet", levels=[1, 3])
    assert encoder.strides == [4, 16]


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_weights_of_another_network_are_an_error(name, tmp_path):
    from safetensors.torch import save_file

    save_file({"stem.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(KaryoscopeError, match="are of another network: there is no"):
        Encoder(name, tmp_path / "other.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    with pytest.raises(KaryoscopeError, match=r"are not a \.safetensors file"):
        Encoder(name, tmp_path / "damaged.safetensors")
    with pytest.raises(KaryoscopeError, match="do not exist"):
        Encoder(name, tmp_path / "absent.safetensors")


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_weights_of_a_classifier_are_taken(name, tmp_path):
    from safetensors.torch import save_file

    save_file(timm.create_model(name).state_dict(), tmp_path / "own.safetensors")
    a, b = (Encoder(name, tmp_path / "own.safetensors") for _ in range(2))
    for x, y in zip(a.parameters(), b.parameters(), strict=True):
        assert torch.equal(x, y)
