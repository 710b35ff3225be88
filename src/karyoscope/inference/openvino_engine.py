"""OpenVINO: the engine for CPUs, in bf16 where the CPU has it."""

from __future__ import annotations

import numpy as np
import openvino as ov
import openvino.properties as props
import openvino.properties.hint as hints

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference.bundle import ONNX, Bundle
from karyoscope.inference.engine import Engine, Maps, failed
from karyoscope.inference.restain_bundle import RestainBundle


class OpenVinoEngine(Engine):
    """Run ``model.onnx`` on the CPU.

    Parameters
    ----------
    bundle : Bundle or RestainBundle
    threads : int
        0 for as many as there are cores.
    precision : {"auto", "f32", "bf16"}
        ``auto`` takes bf16 where the CPU computes in it.
    """

    def __init__(
        self, bundle: Bundle | RestainBundle, threads: int = 0, precision: str = "auto"
    ) -> None:
        core = ov.Core()
        capabilities = core.get_property("CPU", props.device.capabilities)
        if precision == "auto":
            precision = "bf16" if "BF16" in capabilities else "f32"
        config = {
            hints.inference_precision: ov.Type.bf16 if precision == "bf16" else ov.Type.f32,
            hints.performance_mode: hints.PerformanceMode.LATENCY,
            props.inference_num_threads: threads,
        }
        graph = bundle.read(ONNX)
        try:
            self._model = core.compile_model(core.read_model(graph), "CPU", config)
        except RuntimeError as error:
            raise KaryoscopeError(
                f"model bundle {bundle.path}: OpenVINO cannot read its {ONNX}"
            ) from error
        self._request = self._model.create_infer_request()
        self._names = [output.get_any_name() for output in self._model.outputs]
        self.device = f"CPU, OpenVINO {precision}"

    def run(self, images: np.ndarray) -> Maps:
        """Run a batch; see :meth:`Engine.run`."""
        try:
            results = self._request.infer([images], share_inputs=True, share_outputs=False)
        except RuntimeError as error:
            raise failed("OpenVINO", images, error) from error
        return dict(zip(self._names, results.values(), strict=True))
