"""Where models are loaded and blocks are run: on this machine, or elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Collection, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Model
from karyoscope.pipeline.prepare import prepare_model
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.stream.blocks import expect_windows, run_blocks
from karyoscope.pipeline.stream.parallel import threads_for
from karyoscope.pipeline.tiling.area import Area
from karyoscope.pipeline.tiling.blocks import Layout
from karyoscope.pipeline.tiling.report import BlockReport
from karyoscope.slides import Slide


class Executor(Protocol):
    """Loads a model and runs the blocks of slides with it.

    :class:`LocalExecutor` runs them here, :class:`karyoscope.cluster.Cluster` on other machines.
    """

    @property
    def threads(self) -> int:
        """Threads of the CPU that the model may use; 0 for all."""

    @property
    def slides_at_once(self) -> int:
        """Slides whose blocks are run at the same time.

        Where it is 1, a batch prepares the next slide, and completes the files of the one before,
        in other threads meanwhile.
        """

    def locate(self, path: Path) -> Path:
        """Return the path by which the processes that run the blocks open a slide."""

    def load(self, model: str | Path, formats: Sequence[str] = ()) -> Model:
        """Load a model.

        Parameters
        ----------
        model : str or path
            A shipped model by name, or a bundle by path.
        formats : sequence of str
            Formats that will be written on this machine.

        Raises
        ------
        KaryoscopeError
            If the model or the device cannot be used.
        """

    def expect(self, model: Model, layout: Layout) -> None:
        """Take note that blocks of a layout will be run, once the tissue of the slide is found.

        Returns at once. Results do not depend on it.
        """

    def run_blocks(
        self,
        slide: Slide,
        model: Model,
        layout: Layout,
        area: Area,
        indices: Collection[int],
        progress: Progress,
    ) -> Generator[tuple[int, Nuclei, BlockReport]]:
        """Segment some blocks of a slide; see :func:`karyoscope.pipeline.run_blocks`."""

    def stop(self) -> None:
        """End what runs on other threads as soon as it can be ended."""

    def close(self) -> None:
        """Free what the executor holds."""


@dataclass(frozen=True)
class LocalExecutor:
    """Runs blocks on this machine, one slide after the other.

    Attributes
    ----------
    device : {"auto", "cpu", "torch", "cuda", "mps"}
        Device that runs the network; ``auto`` takes a GPU if there is one.
    threads : int
        Threads of the CPU; 0 for all.
    tta : int
        Views whose maps are averaged: 1, 2, 4, 8 or 16.
    """

    device: str = "auto"
    threads: int = 0
    tta: int = 1

    @property
    def slides_at_once(self) -> int:
        """The network of one slide uses the whole machine."""
        return 1

    def locate(self, path: Path) -> Path:
        """Return the path unchanged."""
        return path

    def load(self, model: str | Path, formats: Sequence[str] = ()) -> Model:
        """Load a model; see :func:`karyoscope.pipeline.prepare_model`."""
        return prepare_model(model, self.device, self.threads, self.tta, formats)

    def expect(self, model: Model, layout: Layout) -> None:
        """Compile the network for windows of this size, in a thread of its own."""
        threading.Thread(target=_compile, args=(model, layout), name="compile").start()

    def run_blocks(
        self,
        slide: Slide,
        model: Model,
        layout: Layout,
        area: Area,
        indices: Collection[int],
        progress: Progress,
    ) -> Generator[tuple[int, Nuclei, BlockReport]]:
        """Segment some blocks of a slide; see :func:`karyoscope.pipeline.run_blocks`."""
        threads = threads_for(model.engine, self.threads)
        return run_blocks(slide, model, layout, area, indices, progress=progress, threads=threads)

    def stop(self) -> None:
        """Nothing runs on other threads once :meth:`run_blocks` is closed."""

    def close(self) -> None:
        """Nothing is held."""


def _compile(model: Model, layout: Layout) -> None:
    # What is wrong shows again when the first block is run, and is reported there.
    with suppress(KaryoscopeError):
        expect_windows(model, layout)
