"""How many threads do what beside the network, and their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

from karyoscope.core.process import available_cores
from karyoscope.inference import Engine

Result = TypeVar("Result")

#: Cores for each thread of post-processing, and of writing, where the network runs on them, too:
#: it takes twenty times as long as either.
_CORES_PER_THREAD = 8


@dataclass(frozen=True)
class Threads:
    """Threads that work beside the network and the caller's.

    Results do not depend on them. A thread of post-processing holds the maps of a block, 30 MB
    for most models.

    Attributes
    ----------
    reading : int
        Threads that read windows ahead; at least 1.
    postprocessing : int
        Threads that turn maps into nuclei; with 0 that is done in the caller's thread.
    writing : int
        Threads in which files of different formats are written; with fewer than two that is done
        in the caller's thread.
    """

    reading: int = 1
    postprocessing: int = 0
    writing: int = 0


def threads_for(engine: Engine, cores: int = 0) -> Threads:
    """Choose the threads that keep an engine busy.

    Parameters
    ----------
    engine : Engine
        One that takes several images a call does not compute on the cores.
    cores : int
        Cores of the CPU that may be used; 0 for all.

    Returns
    -------
    Threads
        On the CPU, as few as the network leaves cores for.
    """
    cores = cores or available_cores()
    if engine.batch == 1:
        beside = cores // _CORES_PER_THREAD
        return Threads(1, beside, beside)
    # Decoding, post-processing and writing take about as long.
    third = max(1, cores // 3)
    return Threads(third, third, third)


def submit(
    pool: ThreadPoolExecutor, function: Callable[..., Result], *arguments: object
) -> Future[Result]:
    """Run a function in a pool on behalf of the caller: what it warns of is about the same slide.

    Context variables, among them the slide whose warnings are collected, are not passed to the
    threads of a pool otherwise.
    """
    return pool.submit(copy_context().run, function, *arguments)


def in_order(
    jobs: Iterable[Callable[[], Result]], threads: int, name: str = ""
) -> Generator[Result]:
    """Results of jobs in their order, computed ahead by several threads.

    Parameters
    ----------
    jobs : iterable of callable
        Is iterated over in the caller's thread, as far as results are computed ahead.
    threads : int
        With 0, each job is run in the caller's thread when its result is asked for.
    name : str
        First part of the names of the threads.

    Yields
    ------
    object
        The result of each job. Where ``jobs`` raises an error, it follows the results of the jobs
        before. After an error of a job, or when the generator is closed, jobs that have not begun
        are not begun.
    """
    if not threads:
        for job in jobs:
            yield job()
        return
    pool = ThreadPoolExecutor(threads, name)
    waiting: deque[Future[Result]] = deque()
    problem: Exception | None = None
    coming = iter(jobs)
    try:
        while problem is None:
            try:
                waiting.append(submit(pool, next(coming)))
            except StopIteration:
                break
            except Exception as error:  # the results before it come first
                problem = error
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        if problem is not None:
            raise problem
    finally:
        pool.shutdown(cancel_futures=True)
