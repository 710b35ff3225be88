"""Bundles that are traps: refused with one line, in bounded time and memory."""

import zipfile

import pytest
import yaml

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import find_bundle
from karyoscope.inference.onnx_check import has_external_data


def message(field, content):
    """One field of a protocol buffer: bytes, or a whole number."""
    if isinstance(content, int):
        return bytes([field << 3, content])
    size, parts = len(content), b""
    while size > 127:
        parts, size = parts + bytes([size & 127 | 128]), size >> 7
    return bytes([field << 3 | 2]) + parts + bytes([size]) + content


def test_a_file_that_unpacks_to_gigabytes(tiny_bundle, tmp_path):
    path = tmp_path / "bomb.zip"
    card = yaml.safe_load((tiny_bundle / "model.yaml").read_text("utf-8")) | {"files": {}}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.yaml", yaml.safe_dump(card))
        with archive.open("model.onnx", "w", force_zip64=True) as member:
            for _ in range(100):
                member.write(bytes(1 << 20))
    with pytest.raises(KaryoscopeError, match=r"would be unpacked from .* to 104,857,600 bytes"):
        find_bundle(path).read_graph()


def test_a_card_that_is_too_long(tmp_path):
    with zipfile.ZipFile(tmp_path / "long.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.yaml", b"#" * (1 << 21))
    with pytest.raises(KaryoscopeError, match="which is no model"):
        find_bundle(tmp_path / "long.zip")


@pytest.mark.parametrize("tensor", [message(14, 1), message(13, message(1, b"location"))])
def test_weights_in_other_files(tiny_bundle, tmp_path, tensor):
    inside = message(5, message(6, message(1, message(5, message(5, tensor)))))  # in a subgraph
    for graph in (message(5, tensor), message(1, inside), message(15, message(2, tensor))):
        assert has_external_data(message(7, graph))
    card = yaml.safe_load((tiny_bundle / "model.yaml").read_text("utf-8")) | {"files": {}}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "model.onnx").write_bytes(message(7, message(5, tensor)))
    with pytest.raises(KaryoscopeError, match="keeps weights in other files"):
        find_bundle(tmp_path).read_graph()


def test_weights_inside_pass(tiny_bundle):
    assert not has_external_data((tiny_bundle / "model.onnx").read_bytes())
    assert not has_external_data(message(7, message(5, message(14, 0))))


@pytest.mark.parametrize("graph", [b"\x3a\xff\x01a", b"\x3b", b"\xff" * 11, b"\x3a"])
def test_what_is_no_graph(graph):
    with pytest.raises(ValueError):
        has_external_data(graph)


def test_graphs_in_graphs_end():
    graph = message(1, b"a")
    for _ in range(200):
        graph = message(1, message(5, message(6, graph)))
    with pytest.raises(ValueError, match="too deeply"):
        has_external_data(message(7, graph))
