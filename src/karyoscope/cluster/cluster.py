"""The machines behind an address, and the blocks of slides that they run."""

from __future__ import annotations

import os
import threading
import time
import uuid
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
from karyoscope.core.plugins import used_files
from karyoscope.core.remarks import warn
from karyoscope.inference import Engine, Maps, Model, find_bundle
from karyoscope.pipeline import Area, BlockReport, Layout, Progress, needed_windows, warm_up
from karyoscope.slides import Slide

LOCAL = "local"
_DEVICES = ("auto", "cpu", "cuda")
#: How often a task is run again after the machine or process that ran it was lost.
RETRIES = 5
#: CPUs of a task, where the user does not say: one mostly runs the network, one all the rest.
_CPUS = 2
#: Tasks that are waiting for each that can run, so that no machine waits for the next.
_AHEAD = 2
#: Slides at once, at least and at most; each has its files open here.
_FEWEST_SLIDES, _MOST_SLIDES = 2, 8
#: Tasks at once that one slide keeps busy, save at its end.
_TASKS_OF_SLIDE = 4
_LOCAL_STORE_BYTES = 512 << 20
_POLL_S = 0.5
#: How long the machines of a cluster may take to come up.
STARTUP_S = 60.0


class Cluster:
    """Machines that run blocks: an :class:`~karyoscope.pipeline.Executor`.

    Nothing is connected until :meth:`load` is called.

    Parameters
    ----------
    address : str
        Address of a Ray cluster (``auto`` on one of its machines, ``host:port`` or
        ``ray://host:port``), or ``local`` for processes on this machine.
    device : {"auto", "cpu", "cuda"}
        ``auto`` is GPUs, one a task, where the cluster has some, and else CPUs.
    threads : int
        CPUs of a task; 0 for two.
    tta : int
        Views that are averaged.
    """

    def __init__(self, address: str, device: str = "auto", threads: int = 0, tta: int = 1) -> None:
        if device not in _DEVICES:
            raise KaryoscopeError(
                f"machines of a cluster run on {', '.join(_DEVICES)}, not on {device}"
            )
        self.threads = threads
        self._address, self._asked_device, self._tta = address, device, tta
        self._ray: Any = None
        self._joined = False
        self._source: ModelSource | None = None
        self._stopped = threading.Event()

    def locate(self, path: Path) -> Path:
        """Return the absolute path of a slide, by which the other machines open it."""
        return path.absolute()

    def load(self, model: str | Path, formats: Sequence[str] = ()) -> Model:
        """Connect, and load a model on the machines.

        Parameters
        ----------
        model : str or path
            A shipped model by name, or a bundle by path; see
            :func:`karyoscope.pipeline.prepare_model`.
        formats : sequence of str
            Formats that will be written here.

        Returns
        -------
        Model
            The model without an engine, for planning and writing.

        Raises
        ------
        KaryoscopeError
            If Ray is not installed, nothing answers at the address, the machines have not what a
            task needs, or the model cannot be used there.
        """
        if self._ray is None:
            self._ray = _import_ray()
            self._connect(self._address)
        try:
            self._cpus, self._gpus = self._choose(self._asked_device, self.threads)
            kind = "cuda" if self._gpus else "cpu"
            files = tuple(str(used.path) for used in used_files())
            self._source = ModelSource(
                _found_anywhere(str(model)), kind, self._cpus, self._tta, files
            )
            self._software = version("karyoscope")
            bundle = find_bundle(model)
            warm_up(bundle, formats)
            tried = self._result(self._task(try_model).remote(self._source, self._software))
        except BaseException:
            self.close()
            raise
        self._device = tried.device
        return Model(bundle, _RemoteEngine(tried.device), self._tta)

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
        waited = time.monotonic() + STARTUP_S
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
        """Tasks that can run at once at present; the size of a cluster may change."""
        slots = 0
        for node in self._resources():
            fit = int(node.get("CPU", 0)) // self._cpus
            slots += min(fit, int(node.get("GPU", 0))) if self._gpus else fit
        return max(1, slots)

    @property
    def slides_at_once(self) -> int:
        """Slides that are run at the same time, so that no machine waits while one ends."""
        return min(max(_FEWEST_SLIDES, self.slots // _TASKS_OF_SLIDE), _MOST_SLIDES)

    def _task(self, function: Any) -> Any:
        options: dict[str, Any] = {"num_cpus": self._cpus, "max_retries": RETRIES}
        if self._gpus:
            # Else each task would begin by loading the model in a process of its own.
            options |= {"num_gpus": self._gpus, "max_calls": 0}
        return self._ray.remote(**options)(function)

    def expect(self, model: Model, layout: Layout) -> None:
        """Nothing is run here; each task prepares for its own region."""

    def run_blocks(
        self,
        slide: Slide,
        model: Model,
        layout: Layout,
        area: Area,
        indices: Collection[int],
        progress: Progress,
    ) -> Generator[tuple[int, Nuclei, BlockReport]]:
        """Segment some blocks of a slide, as :func:`karyoscope.pipeline.run_blocks` does.

        Blocks that were lost with the machine that ran them, again and again, have no nuclei, and
        their report says so.

        Raises
        ------
        KaryoscopeError
            If the slide or the model cannot be used where the blocks are run.
        """
        job = Job(uuid.uuid4().hex, slide, layout, area)
        packed = self._ray.put(self._ray.cloudpickle.dumps(job))
        task = self._task(run_region)
        running: deque[tuple[list[int], Any]] = deque()
        regions = deque(divide(needed_windows(layout, area, indices), self.slots))
        try:
            while regions or running:
                while regions and len(running) < _AHEAD * self.slots:
                    region = regions.popleft()
                    asked = task.remote(job.key, packed, self._source, self._software, region)
                    running.append((region, asked))
                region, asked = running.popleft()
                yield from self._collect(region, asked, job, model, progress)
        finally:
            for _, asked in running:
                self._ray.cancel(asked)

    def _collect(
        self, region: list[int], asked: Any, job: Job, model: Model, progress: Progress
    ) -> list[tuple[int, Nuclei, BlockReport]]:
        try:
            done = self._result(asked)
        except self._ray.exceptions.RayTaskError:
            # A defect of ours.
            raise
        except self._ray.exceptions.RayError as error:
            return self._lost(region, error, job, model)
        for stage, seconds in done.seconds.items():
            progress.seconds[stage] = progress.seconds.get(stage, 0.0) + seconds
        if done.device != self._device:
            warn(
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
                for line in region.warnings:
                    warn(line, stacklevel=2)
                if region.problem:
                    raise KaryoscopeError(region.problem)
                return region
        raise KaryoscopeError("stopped")

    def _lost(
        self, region: list[int], error: Exception, job: Job, model: Model
    ) -> list[tuple[int, Nuclei, BlockReport]]:
        """Blocks that no machine could finish, without nuclei."""
        why = f"lost on the cluster {RETRIES + 1} times: {type(error).__name__}"
        blocks = list(job.layout.blocks())
        empty = Nuclei.empty(model.taxonomy, job.slide.mpp)
        return [
            (index, empty, BlockReport(0.0, failed=(job.area.on_slide(blocks[index].own), why)))
            for index in region
        ]

    def stop(self) -> None:
        """End what runs on other threads at its next region."""
        self._stopped.set()

    def close(self) -> None:
        """Leave the cluster; a local cluster is stopped."""
        self.stop()
        if self._joined:
            self._ray.shutdown()
        self._ray, self._joined = None, False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _RemoteEngine(Engine):
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
    """Return names as they are, and paths from the root on."""
    parts = [part.strip() for part in model.split(",")]
    return ",".join(str(Path(part).resolve()) if Path(part).exists() else part for part in parts)
