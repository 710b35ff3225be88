"""Several slides at once, so that machines have work while one slide ends and the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from karyoscope.cluster.cluster import Cluster

#: Slides at once, at least and at most; each has its files open here.
_FEWEST, _MOST = 2, 8
#: Tasks at once that one slide keeps busy, save at its end.
_TASKS = 4


@contextmanager
def segment_slides(
    cluster: Cluster, paths: Sequence[Path], work: Callable[[Path], dict[str, Any]]
) -> Iterator[Callable[[Path], dict[str, Any]]]:
    """Begin several slides; their tasks wait in one queue.

    Parameters
    ----------
    cluster : Cluster
    paths : sequence of Path
        Slides, in the order they are begun.
    work : callable
        Segments one of them through :meth:`Cluster.run_blocks` and returns its summary.

    Yields
    ------
    callable
        Waits for a slide and gives what ``work`` gave, or raises what it raised. Leaving the
        ``with`` block by an error ends what still runs.
    """
    at_once = min(max(_FEWEST, cluster.slots // _TASKS), _MOST)
    executor = ThreadPoolExecutor(at_once, "slide")
    try:
        running = {path: executor.submit(work, path) for path in paths}
        yield lambda path: running[path].result()
    except BaseException:
        cluster.stop()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
