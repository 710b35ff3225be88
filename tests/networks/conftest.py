"""Fixtures of the tests of networks."""

import pytest


@pytest.fixture
def full_precision_onnx():
    """The exporter, before weights are rounded.

    Untrained deep networks turn the rounding of weights to half precision into differences as
    large as their outputs, which says nothing about the graph.
    """
    pytest.importorskip("onnx")
    pytest.importorskip("lightning")
    from karyoscope.training.bundle.graph import write_onnx

    return write_onnx
