"""Fixtures of this room's tests."""

import pytest


@pytest.fixture
def full_precision_onnx(monkeypatch):
    """The exporter, but with weights as they are.

    Untrained deep networks turn the rounding of weights to half precision into differences as
    large as their outputs, which says nothing about the graph.
    """
    pytest.importorskip("onnx")
    pytest.importorskip("lightning")
    from karyoscope.training import export

    monkeypatch.setattr(export, "_with_half_weights", lambda graph: graph)
    return export.write_onnx
