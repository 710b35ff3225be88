"""ONNX Runtime: the engine for GPUs without torch, and a second opinion on CPUs."""

from __future__ import annotations

import numpy as np
import onnxruntime

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference.bundle import ONNX, Bundle
from karyoscope.inference.engine import GPU_BATCH, Engine, Maps, failed

_CPU = "CPUExecutionProvider"


# Its builds for Windows report events by default.
onnxruntime.disable_telemetry_events()


class OnnxRuntimeEngine(Engine):
    """Run ``model.onnx`` with one of ONNX Runtime's providers.

    Attributes
    ----------
    provider : str
        The one that is used: the CPU's where the one asked for finds no device or no libraries.
    """

    def __init__(self, bundle: Bundle, provider: str = _CPU) -> None:
        graph = bundle.read_graph()
        try:
            self._session = onnxruntime.InferenceSession(graph, providers=[provider])
        except Exception as error:  # ONNX Runtime raises classes of its own, without a common base
            raise KaryoscopeError(
                f"model bundle {bundle.path}: ONNX Runtime cannot run its {ONNX} on {provider}"
            ) from error
        self._input = self._session.get_inputs()[0].name
        self._names = [output.name for output in self._session.get_outputs()]
        self.provider = self._session.get_providers()[0]
        self.device = f"ONNX Runtime, {self.provider}"
        if self.provider != _CPU:
            # A session may be run from several threads: one copies while the other computes.
            self.batch, self.calls_at_once = GPU_BATCH, 2

    def run(self, images: np.ndarray) -> Maps:
        """Run a batch; see :meth:`Engine.run`."""
        try:
            results = self._session.run(self._names, {self._input: images})
        except Exception as error:  # as above
            raise failed("ONNX Runtime", images, error) from error
        return dict(zip(self._names, results, strict=True))
