"""The machines behind an address, and the blocks of slides that they run."""

from __future__ import annotations

import os
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Collection, Generator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np

from karyoscope.cluster.regions import divide
from karyoscope.cluster.work import Job, ModelSource, Region, run_region, try_model
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.optional import load
from karyoscope.inference import Engine, Maps, Model, find_bundle
from karyoscope.pipeline import Area, Facts, Layout, Progress, warm_up
from karyoscope.slides import Slide

LOCAL = "local"
#: How often a task is run again after the machine or process that ran it was lost.
RETRIES = 5
#: CPUs of a task, where the user does not say: one mostly runs the network, one all the rest.
_CPUS = 2
#: Tasks that are waiting for each that can run, so that no machine waits for the next.
_AHEAD = 2
_LOCAL_STORE_BYTES = 512 << 20
_POLL_S = 0.5
#: How long the machines of a cluster may take to come up.
_PATIENCE_S = 60.0


class Cluster:
    """Machines that run blocks, and the model they run.

    Parameters
    ----------
    address : str
        Of a Ray cluster (``auto`` on one of its machines, ``host:port``, ``ray://host:port``), or
        ``local``: processes on this machine.
    model : str or path
        A shipped model by name, or a bundle by path; see :func:`karyoscope.pipeline.prepare_model`.
    device : {"auto", "cpu", "cuda"}
        ``auto`` is GPUs, one a task, where the cluster has some, and else CPUs.
    threads : int
        CPUs of a task; 0 for two.
    tta : int
        Views that are averaged.
    formats : sequence of str
        That will be written here.

    Attributes
    ----------
    model : Model
        The model without an engine, for planning and writing.

    Raises
    ------
    KaryoscopeError
        If Ray is not installed, nothing answers at the address, the machines have not what a task
        needs, or the model cannot be used there.
    """

    def __init__(
        self,
        address: str,
        model: str | Path = "lizard",
        device: str = "auto",
        threads: int = 0,
        tta: int = 1,
        formats: Sequence[str] = (),
    ) -> None:
        self._ray = _import_ray()
        self._stopped = threading.Event()
        self._connect(address)
        try:
            self._cpus, self._gpus = self._choose(device, threads)
            kind = "cuda" if self._gpus else "cpu"
            self._source = ModelSource(_found_anywhere(str(model)), kind, self._cpus, tta)
            self._software = version("karyoscope")
            bundle = find_bundle(model)
            warm_up(bundle, formats)
            tried = self._result(self._task(try_model).remote(self._source, self._software))
        except BaseException:
            self.close()
            raise
        self._device = tried.device
        self.model = Model(bundle, _Elsewhere(tried.device), tta)

    def _connect(self, address: str) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == LOCAL:
            options |= {"include_dashboard": False, "object_store_memory": _LOCAL_STORE_BYTES}
        self._joined = not self._ray.is_initialized()
        try:
            if self._joined:
                self._ray.init(address=address, **options)
        except Exception as error:  # Ray raises many kinds
            line = str(error).strip().partition("\n")[0]
            what = "Ray does not start" if address == LOCAL else "no Ray cluster answers"
            raise KaryoscopeError(f"--cluster {address}: {what}: {line}") from error

    def _choose(self, device: str, threads: int) -> tuple[int, int]:
        """CPUs and GPUs of a task, once a machine has them."""
        waited = time.monotonic() + _PATIENCE_S
        while True:
            nodes = self._resources()
            most = int(max((node.get("CPU", 0) for node in nodes), default=0))
            gpus = any(node.get("GPU", 0) >= 1 for node in nodes)
            if most >= max(1, threads) and (gpus or device != "cuda"):
                return threads or min(_CPUS, most), int(gpus and device != "cpu")
            if time.monotonic() > waited:
                break
            # Clusters start with no more than their head.
            time.sleep(_POLL_S)
        if device == "cuda" and not gpus:
            raise KaryoscopeError("--device cuda: no machine of the cluster has a GPU")
        raise KaryoscopeError(
            f"--workers {threads}: no machine of the cluster has more than {most} CPUs"
        )

    def _resources(self) -> list[dict[str, float]]:
        """CPUs, GPUs and more of each machine that is up."""
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    @property
    def slots(self) -> int:
        """Tasks that can run at once; clusters grow and shrink."""
        slots = 0
        for node in self._resources():
            fit = int(node.get("CPU", 0)) // self._cpus
            slots += min(fit, int(node.get("GPU", 0))) if self._gpus else fit
        return max(1, slots)

    def _task(self, function: Any) -> Any:
        options: dict[str, Any] = {"num_cpus": self._cpus, "max_retries": RETRIES}
        if self._gpus:
            # Else each task would begin by loading the model in a process of its own.
            options |= {"num_gpus": self._gpus, "max_calls": 0}
        return self._ray.remote(**options)(function)

    def run_blocks(
        self,
        slide: Slide,
        model: Model,
        layout: Layout,
        area: Area,
        indices: Collection[int],
        progress: Progress | None = None,
    ) -> Generator[tuple[int, Nuclei, Facts]]:
        """Segment some blocks of a slide, as :func:`karyoscope.pipeline.run_blocks` does.

        Blocks that were lost with the machine that ran them, again and again, have no nuclei, and
        their facts say so.

        Raises
        ------
        KaryoscopeError
            If the slide or the model cannot be used where the blocks are run.
        """
        progress = progress or Progress()
        job = Job(uuid.uuid4().hex, slide, layout, area)
        packed = self._ray.put(self._ray.cloudpickle.dumps(job))
        task = self._task(run_region)
        regions = deque(divide(indices, self.slots, layout.band))
        running: deque[tuple[list[int], Any]] = deque()
        try:
            while regions or running:
                while regions and len(running) < _AHEAD * self.slots:
                    region = regions.popleft()
                    asked = task.remote(job.key, packed, self._source, self._software, region)
                    running.append((region, asked))
                region, asked = running.popleft()
                yield from self._collect(region, asked, job, progress)
        finally:
            for _, asked in running:
                self._ray.cancel(asked)

    def _collect(
        self, region: list[int], asked: Any, job: Job, progress: Progress
    ) -> list[tuple[int, Nuclei, Facts]]:
        try:
            done = self._result(asked)
        except self._ray.exceptions.RayTaskError:
            # A defect of ours.
            raise
        except self._ray.exceptions.RayError as error:
            return self._lost(region, error, job)
        for stage, seconds in done.seconds.items():
            progress.seconds[stage] = progress.seconds.get(stage, 0.0) + seconds
        if done.device != self._device:
            warnings.warn(
                f"machines of the cluster differ: {self._device!r} here, {done.device!r} there;"
                " nuclei may differ in the last digits from those of one machine",
                stacklevel=2,
            )
        return done.blocks

    def _result(self, asked: Any) -> Region:
        """Wait for a task, unless the cluster is stopped meanwhile."""
        while not self._stopped.is_set():
            ready, _ = self._ray.wait([asked], timeout=_POLL_S)
            if ready:
                region: Region = self._ray.get(asked)
                if region.problem:
                    raise KaryoscopeError(region.problem)
                return region
        raise KaryoscopeError("stopped")

    def _lost(
        self, region: list[int], error: Exception, job: Job
    ) -> list[tuple[int, Nuclei, Facts]]:
        """Blocks that no machine could finish, without nuclei."""
        why = f"lost on the cluster {RETRIES + 1} times: {type(error).__name__}"
        blocks = list(job.layout.blocks())
        empty = Nuclei.empty(self.model.taxonomy, job.slide.mpp)
        return [
            (index, empty, Facts(0.0, failed=(job.area.on_slide(blocks[index].own), why)))
            for index in region
        ]

    def stop(self) -> None:
        """End what runs on other threads at its next region."""
        self._stopped.set()

    def close(self) -> None:
        """Leave the cluster; one that is local ends."""
        self.stop()
        if self._joined:
            self._ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Elsewhere(Engine):
    """Stands for the engines of other machines."""

    def __init__(self, device: str) -> None:
        self.device = device

    def run(self, images: np.ndarray) -> Maps:
        """Never called: blocks are run by tasks."""
        raise NotImplementedError


def _import_ray() -> Any:
    # Its statistics go to its makers unless this is set before it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    return load("cluster", "ray", "--cluster")


def _found_anywhere(model: str) -> str:
    """Names as they are, paths as they are seen from any folder."""
    parts = [part.strip() for part in model.split(",")]
    return ",".join(str(Path(part).resolve()) if Path(part).exists() else part for part in parts)
