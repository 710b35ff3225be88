"""Windows are read and run ahead of who needs their maps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Maps, Model
from karyoscope.pipeline.progress import Progress
from karyoscope.pipeline.stream.parallel import submit
from karyoscope.pipeline.tiling.blocks import Box, Window
from karyoscope.pipeline.tiling.mosaic import core_of
from karyoscope.slides import Slide

#: Batches that are read and run beside the one whose maps are being used.
_AHEAD = 2

ReadWindow = Callable[[int, int, int, int, float | None], np.ndarray]
"""x, y, width and height on the grid of an mpp -> (height, width, 3) uint8."""


@contextmanager
def run_windows(
    slide: Slide,
    model: Model,
    windows: Iterable[Window],
    read: ReadWindow,
    progress: Progress,
    readers: int = 1,
) -> Iterator[Iterator[Maps]]:
    """Cores of the maps of windows, in order; the next ones are read and run meanwhile.

    Windows that follow each other go to the engine together, as many as it takes. Where it fails
    on several, each of them is run alone, so that only those fail which fail by themselves.

    Parameters
    ----------
    slide, model : Slide, Model
        What is read, and run.
    windows : iterable of Window
        In the order of the results.
    read : callable
        Reads the pixels of a window.
    progress : Progress
        Takes the seconds of reading and of inference.
    readers : int
        Threads that read.

    Yields
    ------
    iterator of dict of str to ndarray of float16
        See :func:`karyoscope.pipeline.tiling.mosaic.core_of`. It raises the error of the first
        window that cannot be read or run, after the maps of those before it.
    """

    def read_pixels(box: Box) -> np.ndarray:
        with progress.time("reading"):
            return read(box.left, box.top, box.width, box.height, model.mpp)

    def run(
        group: Sequence[Window], pixels: Sequence[Future[np.ndarray]]
    ) -> list[Maps | Exception]:
        progress.raise_if_stopped()
        images: list[np.ndarray] = []
        unread: list[Exception] = []
        for future in pixels:
            try:
                images.append(future.result())
            except CancelledError:  # nobody waits for the results any more
                raise
            except Exception as error:
                unread.append(error)
                break
        with progress.time("inference"):
            return [*(predicted(group[: len(images)], images) if images else ()), *unread]

    def predicted(group: Sequence[Window], images: Sequence[np.ndarray]) -> list[Maps | Exception]:
        """Cores of the maps of windows, up to the error of the first that fails."""
        try:
            if len(group) == 1:
                maps = [model.predict(images[0])]
            else:
                maps = model.predict_batch(images)
        except KaryoscopeError as error:
            if len(group) == 1:
                box = group[0].read
                place = f"{box.left},{box.top},{box.width},{box.height} at {model.mpp:g} µm/px"
                named = KaryoscopeError(f"{slide.path or slide.name}, {place}: {error}")
                named.__cause__ = error
                return [named]
        else:
            # Here, since those that wait for their block are twice as large before.
            strides = model.bundle.card.maps
            return [core_of(*each, strides) for each in zip(group, maps, strict=True)]
        results: list[Maps | Exception] = []
        for window, image in zip(group, images, strict=True):
            results += predicted([window], [image])
            if isinstance(results[-1], Exception):
                break
        return results

    def results() -> Iterator[Maps]:
        ahead: deque[Future[list[Maps | Exception]]] = deque()
        for group in _groups(windows, model):
            pixels = [submit(reading, read_pixels, window.read) for window in group]
            ahead.append(submit(inferring, run, group, pixels))
            if len(ahead) > _AHEAD:
                yield from _or_raise(ahead.popleft().result())
        while ahead:
            yield from _or_raise(ahead.popleft().result())

    with ExitStack() as stack:
        reading = ThreadPoolExecutor(readers, "read")
        inferring = ThreadPoolExecutor(model.engine.calls_at_once, "infer")
        for executor in (inferring, reading):
            # After an error or an interruption, what is still waiting is not begun.
            stack.callback(executor.shutdown, cancel_futures=True)
        yield results()


def _groups(windows: Iterable[Window], model: Model) -> Iterator[list[Window]]:
    """Windows that follow each other and are of one size to the network, in batches."""
    group: list[Window] = []
    size = 0, 0
    for window in windows:
        padded = model.padded_size(window.read.height, window.read.width)
        if group and (padded != size or len(group) == model.batch):
            yield group
            group = []
        group.append(window)
        size = padded
    if group:
        yield group


def _or_raise(results: Iterable[Maps | Exception]) -> Iterator[Maps]:
    for result in results:
        if isinstance(result, Exception):
            raise result
        yield result
