"""ONNX Runtime: the engine for GPUs without torch, and a second opinion on CPUs."""

from __future__ import annotations

import numpy as np
import onnxruntime

from karyoscope.errors import KaryoscopeError
from karyoscope.inference.bundle import ONNX, Bundle
from karyoscope.inference.engine import Engine, Maps


class OnnxRuntimeEngine(Engine):
    """Run ``model.onnx`` with one of ONNX Runtime's providers."""

    def __init__(self, bundle: Bundle, provider: str = "CPUExecutionProvider") -> None:
        try:
            self._session = onnxruntime.InferenceSession(bundle.read(ONNX), providers=[provider])
        except Exception as error:  # ONNX Runtime raises classes of its own, without a common base
            raise KaryoscopeError(
                f"model bundle {bundle.path}: ONNX Runtime cannot run its {ONNX} on {provider}"
            ) from error
        self._input = self._session.get_inputs()[0].name
        self._names = [output.name for output in self._session.get_outputs()]
        self.device = f"ONNX Runtime, {self._session.get_providers()[0]}"

    def run(self, images: np.ndarray) -> Maps:
        """Run a batch; see :meth:`Engine.run`."""
        results = self._session.run(self._names, {self._input: images})
        return dict(zip(self._names, results, strict=True))
