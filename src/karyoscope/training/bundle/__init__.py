"""From a checkpoint to a model bundle: the ONNX graph, its check against torch, eight-bit weights.

What belongs here writes what :mod:`karyoscope.inference` reads. The module ``quantisation`` needs
ONNX Runtime and is imported by name.
"""

from karyoscope.training.bundle.export import export_bundle
from karyoscope.training.bundle.graph import check_graph, differences, with_half_weights, write_onnx

__all__ = ["check_graph", "differences", "export_bundle", "with_half_weights", "write_onnx"]
