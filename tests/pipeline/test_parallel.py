"""Threads and batches change no nucleus, no order, and none of what is said about failures."""

import threading
import time

import numpy as np
import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Engine, Model
from karyoscope.pipeline import (
    Layout,
    Progress,
    Threads,
    area_of,
    run_blocks,
    stream_nuclei,
    threads_for,
)
from karyoscope.pipeline.stream.parallel import in_order
from karyoscope.slides import open_slide
from tiny_model import assert_same_nuclei


class Batching(Engine):
    """Another engine, which is given several images at once."""

    device = "none"

    def __init__(self, engine: Engine, batch: int, calls_at_once: int = 1) -> None:
        self._engine, self.batch, self.calls_at_once = engine, batch, calls_at_once
        self.sizes: list[int] = []

    def run(self, images):
        self.sizes.append(len(images))
        each = [self._engine.run(image[None]) for image in images]
        return {name: np.concatenate([maps[name] for maps in each]) for name in each[0]}


class Fussy(Batching):
    """Fails wherever an image has a pixel of one colour in its middle."""

    def run(self, images):
        middle = images[:, images.shape[1] // 2, images.shape[2] // 2]
        if (middle == (1, 2, 3)).all(1).any():
            self.sizes.append(len(images))
            raise KaryoscopeError("out of memory")
        return super().run(images)


def layout_of(slide, model) -> tuple[Layout, object]:
    whole = area_of(slide, model.mpp)
    return Layout(whole.grid.width, whole.grid.height, 32, 64, largest=256), whole


def blocks_of(slide, model, threads) -> list:
    layout, whole = layout_of(slide, model)
    return list(run_blocks(slide, model, layout, whole, threads=threads))


@pytest.mark.parametrize(
    ("batch", "calls", "threads"),
    [(1, 1, Threads(1, 2)), (3, 1, Threads()), (4, 2, Threads(3, 1)), (64, 1, Threads(2, 5))],
)
def test_any_batch_and_any_threads_give_the_same_nuclei(
    threshold_model, tissue, batch, calls, threads
):
    engine = Batching(threshold_model.engine, batch, calls)
    model = Model(threshold_model.bundle, engine)
    with open_slide(tissue, mpp=0.5) as slide:
        expected = blocks_of(slide, threshold_model, Threads())
        found = blocks_of(slide, model, threads)
        layout, whole = layout_of(slide, model)
        streamed = Nuclei.concat(
            list(stream_nuclei(slide, model, layout, whole, Progress(), threads=threads))
        )
    assert [index for index, *_ in found] == [index for index, *_ in expected]
    assert [report for *_, report in found] == [report for *_, report in expected]
    assert sum(len(nuclei) for _, nuclei, _ in expected) > 100
    for (_, theirs, _), (_, ours, _) in zip(expected, found, strict=True):
        assert_same_nuclei(theirs, ours)
    assert_same_nuclei(streamed, Nuclei.concat([nuclei for _, nuclei, _ in expected]))
    # Windows at the edges are padded to the size of the others, and go with them.
    assert max(engine.sizes) == min(batch, len(layout.windows(layout.bounds)))


@pytest.mark.parametrize("threads", [Threads(), Threads(2, 3)])
def test_one_window_that_fails_costs_the_same_blocks_in_any_batch(threshold_model, tissue, threads):
    marked = tissue.copy()
    model = threshold_model
    with open_slide(tissue, mpp=0.5) as slide:
        layout, _ = layout_of(slide, model)
    box = layout.window(1, 2).read
    marked[box.top + box.height // 2, box.left + box.width // 2] = 1, 2, 3
    with open_slide(marked, mpp=0.5) as slide:
        found = [
            blocks_of(slide, Model(model.bundle, Fussy(model.engine, batch)), how)
            for batch, how in ((1, Threads()), (5, threads))
        ]
        engine = Fussy(model.engine, 5)
        blocks = stream_nuclei(
            slide, Model(model.bundle, engine), *layout_of(slide, model), Progress(), None, threads
        )
        before: list[Nuclei] = []
        with pytest.raises(KaryoscopeError, match="out of memory"):
            before.extend(blocks)
    reports = [[report for *_, report in each] for each in found]
    assert reports[0] == reports[1]
    assert 0 < sum(report.failed is not None for report in reports[0]) < len(reports[0])
    # All blocks before the first that needs the window are given, whoever works ahead.
    first = next(i for i, report in enumerate(reports[0]) if report.failed is not None)
    assert [len(nuclei) for nuclei in before] == [len(nuclei) for _, nuclei, _ in found[0][:first]]


def test_results_come_in_order_and_an_error_after_those_before_it():
    def jobs():
        for number in range(6):
            yield lambda number=number: time.sleep(0.02 * (number % 2 == 0)) or number
        raise KaryoscopeError("no more")

    found = []
    with pytest.raises(KaryoscopeError, match="no more"):
        found.extend(in_order(jobs(), 3))
    assert found == list(range(6))


def test_giving_up_leaves_no_thread_and_begins_no_job():
    begun = []

    def job(number):
        begun.append(number)
        time.sleep(0.01)
        return number

    before = threading.active_count()
    results = in_order((lambda n=n: job(n) for n in range(100)), 2)
    assert next(results) == 0
    results.close()
    assert threading.active_count() == before
    assert len(begun) <= 4


def test_jobs_run_in_the_caller_s_thread_without_threads():
    jobs = [threading.get_ident for _ in range(3)]
    assert set(in_order(jobs, 0)) == {threading.get_ident()}
    assert threading.get_ident() not in set(in_order(jobs, 2))


def test_threads_for_an_engine(threshold_model):
    assert threads_for(threshold_model.engine, 2) == Threads()
    assert threads_for(threshold_model.engine, 16).postprocessing > 0
    gpu = Batching(threshold_model.engine, 8, 2)
    assert threads_for(gpu, 1) == Threads(1, 1, 1)
    many = threads_for(gpu, 16)
    assert min(many.reading, many.postprocessing, many.writing) > 1
    assert many.reading + many.postprocessing + many.writing < 16
