"""Compiling on another core: a process that compiles the loops of the formats into the cache.

numba compiles one function at a time in a process. On a first run the loops that write files are
therefore compiled by a process of their own, while those of post-processing are compiled here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from karyoscope.core.kernels import keeps_compiled
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.process import available_cores
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.features import shape_features
from karyoscope.formats import ExportContext, open_writers
from karyoscope.report import slide_page

_EDGE = 64
LONGEST_S = 120.0
PROGRAM = "import sys; from karyoscope.pipeline.second_compiler import main; main(sys.argv[1:])"


class SecondCompiler:
    """A process that writes a made-up nucleus in some formats, and so compiles what they need.

    Parameters
    ----------
    formats : sequence of str
        Formats to write; without any, on a single core, and where no cache can be written, no
        process is started.
    """

    def __init__(self, formats: Sequence[str]) -> None:
        self._formats = tuple(formats)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def started(self) -> bool:
        """Whether a process was started."""
        return self._process is not None

    def start(self) -> None:
        """Start the process, where another core may run it."""
        of_use = bool(self._formats) and keeps_compiled() and available_cores() > 1
        if not of_use or getattr(sys, "frozen", False):
            return
        # -P: nothing in the working folder is imported.
        command = [sys.executable or "python", "-P", "-c", PROGRAM, *self._formats]
        nowhere = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)
        except OSError:
            return  # all is compiled here

    def wait(self) -> None:
        """Wait until the process ends; other threads that need a compiler wait as well.

        They would otherwise compile once more what the process is about to finish. A process that
        takes minutes is ended, as is one that runs when the program ends.
        """
        if self._process is None:
            return
        last = time.monotonic() + LONGEST_S
        with global_compiler_lock:
            while self._process.poll() is None:
                if time.monotonic() > last or not threading.main_thread().is_alive():
                    self.stop()
                time.sleep(0.02)

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def write_made_up(nuclei: Nuclei, formats: Sequence[str]) -> None:
    """Measure nuclei and write them to a temporary folder.

    Parameters
    ----------
    nuclei : Nuclei
        Nuclei within 64 x 64 pixels.
    formats : sequence of str
        Formats to write.
    """
    context = ExportContext(
        slide="noise",
        size=(_EDGE, _EDGE),
        mpp=nuclei.mpp,
        taxonomy=nuclei.taxonomy,
        read=lambda x, y, width, height, mpp: np.zeros((height, width, 3), np.uint8),
        page=slide_page,
    )
    with (
        tempfile.TemporaryDirectory(prefix="karyoscope-") as folder,
        open_writers(folder, "noise", formats, context) as writers,
    ):
        writers.write(nuclei.with_measurements(shape_features(nuclei)))


def main(formats: Sequence[str]) -> None:
    """Compile what some formats need; the program of the process."""
    taxonomy = Taxonomy.load("lizard")
    nucleus = Nuclei(
        taxonomy,
        0.5,
        id=np.ones(1),
        class_id=np.ones(1),
        x=np.full(1, 20.0),
        y=np.full(1, 20.0),
        area_um2=np.full(1, 25.0),
        probabilities=np.eye(1, len(taxonomy)),
        vertices=np.array([[15, 15], [15, 25], [25, 25], [25, 15]]),
        offsets=np.array([0, 4]),
    )
    for name in formats:
        write_made_up(nucleus, [name])
