"""A hub of weights that cannot be reached is answered within seconds."""

import http.server
import socket
import threading
import time

import pytest

from karyoscope.core import timm_models
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.timm_models import HubWeights, create

constants = pytest.importorskip("huggingface_hub.constants", reason="fetches weights by the hub")
huggingface_hub = pytest.importorskip("huggingface_hub", reason="fetches weights by the hub")
timm = pytest.importorskip("timm", reason="builds models of timm")


@pytest.fixture
def offline_when_fetched(monkeypatch):
    """What `timm` is asked for: whether the hub's client is offline at that moment."""
    seen = []

    def create_model(name, **options):
        seen.append(constants.HF_HUB_OFFLINE)
        raise OSError("no such file in the cache")

    monkeypatch.setattr(timm, "create_model", create_model)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return seen


def fetch():
    started = time.monotonic()
    with pytest.raises(KaryoscopeError, match=r"cannot be fetched; give the path .* or false"):
        create("encoder", "resnet18", {"pretrained": True})
    return time.monotonic() - started


def test_a_server_that_never_answers_is_given_up(offline_when_fetched, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert fetch() < 10
    assert offline_when_fetched == [True]
    assert constants.HF_HUB_OFFLINE is False


def test_a_name_that_is_looked_up_without_end_is_given_up(offline_when_fetched, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.invalid")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [over.wait(60)][1:])
    try:
        assert fetch() < 10
    finally:
        over.set()
    assert offline_when_fetched == [True]


def test_a_proxy_that_refuses_is_no_way_to_the_hub(offline_when_fetched, monkeypatch):
    with answering(403) as address:
        monkeypatch.setenv("https_proxy", address)
        monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")
        assert fetch() < 10
    assert offline_when_fetched == [True]


@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_server_that_answers_is_asked(offline_when_fetched, monkeypatch, status):
    with answering(status) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        fetch()
    assert offline_when_fetched == [False]


class answering:
    """A server that answers all requests with one status, for a ``with`` block."""

    def __init__(self, status):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.send_response(status)
                self.end_headers()

            do_CONNECT = do_GET = do_HEAD

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


def test_weights_that_a_part_does_not_use_are_not_printed(tmp_path, caplog):
    safetensors = pytest.importorskip("safetensors.torch")
    file = tmp_path / "mobilenetv2_050.safetensors"
    safetensors.save_file(timm.create_model("mobilenetv2_050").state_dict(), file)
    options = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file)}}
    create("encoder", "mobilenetv2_050", {**options, "features_only": True})
    assert not [r for r in caplog.records if "Unexpected keys" in r.getMessage()]
    timm.create_model("mobilenetv2_050", features_only=True, **options)
    assert [r for r in caplog.records if "Unexpected keys" in r.getMessage()]


def test_the_file_that_weights_are_read_from_is_not_printed(tmp_path, caplog):
    safetensors = pytest.importorskip("safetensors.torch")
    file = tmp_path / "mobilenetv2_050.safetensors"
    safetensors.save_file(timm.create_model("mobilenetv2_050", num_classes=3).state_dict(), file)
    options = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(file), "num_classes": 3}}
    caplog.set_level("INFO")
    create("encoder", "mobilenetv2_050", options | {"num_classes": 0})
    assert not [r.getMessage() for r in caplog.records if r.name.startswith("timm.models")]
    timm.create_model("mobilenetv2_050", num_classes=0, **options)
    assert [r for r in caplog.records if str(file) in r.getMessage()]


@pytest.fixture
def asked(monkeypatch):
    """How often the hub was asked; it does not answer."""
    seen = []
    monkeypatch.setattr(timm_models, "can_reach", lambda address: bool(seen.append(address)))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return seen


def test_the_hub_is_asked_once_for_all_models_that_are_not_in_its_cache(asked, monkeypatch):
    place = timm.models.get_pretrained_cfg("resnet18").hf_hub_id
    cached = {(place, "model.safetensors")}
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda repository, file, revision=None: "file" if (repository, file) in cached else None,
    )
    hub = HubWeights()
    assert hub.has("resnet18")
    assert hub.has("no_such_model")
    assert hub.has("resnet18.no_such_tag")
    assert asked == []
    assert not hub.has("tf_efficientnet_b7")
    assert not hub.has("convnext_small")
    assert len(asked) == 1
    monkeypatch.setattr(timm_models, "can_reach", lambda address: True)
    assert HubWeights().has("tf_efficientnet_b7")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not HubWeights().has("tf_efficientnet_b7")
