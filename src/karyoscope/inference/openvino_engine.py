"""OpenVINO: the engine for CPUs, in bf16 where the CPU has it."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.openvino_offline import hints, ov, props
from karyoscope.inference.bundle import ONNX, Bundle
from karyoscope.inference.engine import Engine, Maps, failed
from karyoscope.inference.openvino_graph import speed_up
from karyoscope.inference.restain_bundle import RestainBundle

#: Instructions, without those for bf16, that the user may limit oneDNN to. OpenVINO offers bf16
#: then as well, and takes twice the time of fp32, or fails.
_WITHOUT_BF16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")


def _allows_bf16() -> bool:
    names = "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"
    return not any(os.environ.get(name, "").upper() in _WITHOUT_BF16 for name in names)


class OpenVinoEngine(Engine):
    """Run ``model.onnx`` on the CPU.

    The graph is compiled when it is first needed: for images of any size, or for those that were
    expected. The latter takes a tenth less time and little more than half the memory, since
    OpenVINO then plans which feature maps can lie in the same place. In bf16 the maps are equal to
    the bit; in fp32 they are not always, so that there sizes are not looked at.

    Parameters
    ----------
    bundle : Bundle or RestainBundle
    threads : int
        0 for as many as there are cores.
    precision : {"auto", "f32", "bf16"}
        ``auto`` takes bf16 where the CPU computes in it, and ``ONEDNN_MAX_CPU_ISA`` does not
        exclude it.
    """

    def __init__(
        self, bundle: Bundle | RestainBundle, threads: int = 0, precision: str = "auto"
    ) -> None:
        core = ov.Core()
        capabilities = core.get_property("CPU", props.device.capabilities)
        if precision == "auto":
            precision = "bf16" if "BF16" in capabilities and _allows_bf16() else "f32"
        self._config = {
            hints.inference_precision: ov.Type.bf16 if precision == "bf16" else ov.Type.f32,
            hints.performance_mode: hints.PerformanceMode.LATENCY,
            props.inference_num_threads: threads,
            # A thread that may not leave its core waits for whatever else runs there, and all
            # other threads of the network wait for it.
            hints.enable_cpu_pinning: False,
        }
        graph = bundle.read_graph()
        try:
            self._graph = core.read_model(graph)
            # Compiling can rewrite the last step of an output, and its name is lost then.
            self._names = [output.get_any_name() for output in self._graph.outputs]
        except Exception as error:  # its messages are not always text either
            raise KaryoscopeError(
                f"model bundle {bundle.path}: OpenVINO cannot read its {ONNX}"
            ) from error
        self._core, self._path = core, bundle.path
        self._compiling = threading.Lock()
        self._free: ov.CompiledModel | None = None
        self._fixed: dict[tuple[int, int], ov.CompiledModel] = {}
        # A request holds its inputs and outputs: threads that share one get each other's maps.
        self._requests = threading.local()
        self.device = f"CPU, OpenVINO {precision}"

    def expect(self, shapes: Collection[tuple[int, int]]) -> None:
        """Compile for some sizes, and forget what was compiled for others; see :class:`Engine`."""
        if self._config[hints.inference_precision] != ov.Type.bf16:
            return
        with self._compiling:
            if set(shapes) != set(self._fixed):
                self._fixed, self._free = {}, None
                self._fixed = {shape: self._compile(shape) for shape in shapes}

    def _compile(self, shape: tuple[int, int] | None = None) -> ov.CompiledModel:
        graph = self._graph
        try:
            if shape is not None:
                graph = graph.clone()
                graph.reshape([1, *shape, 3])
                speed_up(graph)
            return self._core.compile_model(graph, "CPU", self._config)
        except Exception as error:  # as above
            raise KaryoscopeError(
                f"model bundle {self._path}: OpenVINO cannot compile its {ONNX}"
            ) from error

    def _request(self, images: np.ndarray) -> ov.InferRequest:
        """The calling thread's own, for images of this size."""
        height, width = images.shape[1:3]
        model = self._fixed.get((height, width)) if len(images) == 1 else None
        if model is None:
            with self._compiling:
                if self._free is None:
                    self._free = self._compile()
                model = self._free
        own: dict[int, ov.InferRequest] = getattr(self._requests, "own", {})
        if id(model) not in own:
            # A request keeps its model, and hundreds of MB: those of other sizes go first.
            current = {id(kept) for kept in (self._free, *self._fixed.values())}
            own = self._requests.own = {key: own[key] for key in own if key in current}
            own[id(model)] = model.create_infer_request()
        return own[id(model)]

    def run(self, images: np.ndarray) -> Maps:
        """Run a batch; see :meth:`Engine.run`."""
        try:
            results = self._request(images).infer([images], share_inputs=True, share_outputs=False)
        except RuntimeError as error:
            raise failed("OpenVINO", images, error) from error
        return dict(zip(self._names, results.values(), strict=True))
