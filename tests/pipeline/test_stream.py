"""The loop: order, memory, overlap, and what happens when a stage fails."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Engine, Model
from karyoscope.pipeline import Box, Layout, Progress, area_of, stream_nuclei
from karyoscope.pipeline.tiling.plan import plan_blocks
from karyoscope.slides import open_slide

GRID = {"mpp": 0.5}


def area(width: int, height: int):
    return area_of(open_slide(np.zeros((height, width, 3), np.uint8), **GRID), 0.5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 1500), st.integers(1, 900), st.integers(1, 6))
def test_windows_are_held_from_their_first_block_to_their_last(width, height, band):
    layout = Layout(width, height, largest=128, context=16, margin=20, band=band)
    held, runs = set(), 0
    for step in plan_blocks(layout, area(width, height)):
        assert held.isdisjoint(step.fresh)
        held.update(step.fresh)
        runs += len(step.fresh)
        assert held.issuperset(layout.windows(step.block.read))
        # Two rows of a band and the corner between them.
        assert len(held) <= 2 * (band + 1) + 2
        assert held.issuperset(step.spent)
        held.difference_update(step.spent)
    assert not held
    rows, columns = len(layout.rows.starts), len(layout.columns.starts)
    bands = -(-(columns + 1) // band)
    assert runs <= rows * (columns + bands)


def test_blocks_without_tissue_need_no_windows():
    class LeftHalf:
        def measure(self, part: Box) -> float:
            return 1.0 * (part.left < 600)

        tissue_of = measure

    layout = Layout(1200, 300, largest=128, context=16, margin=20)
    plan = plan_blocks(layout, LeftHalf())
    assert all(step.block.own.left < 600 for step in plan)
    assert max(w.column for step in plan for w in step.windows) < len(layout.columns.starts) - 2


def run(slide, model, **layout):
    whole = area_of(slide, model.mpp)
    progress = Progress()
    cut = Layout(whole.grid.width, whole.grid.height, 32, 64, largest=256, **layout)
    return stream_nuclei(slide, model, cut, whole, progress), progress


class Failing(Engine):
    device = "none"

    def run(self, images):
        raise KaryoscopeError("out of memory")


def test_an_engine_that_fails_names_slide_and_region(threshold_model, tissue):
    model = Model(threshold_model.bundle, Failing())
    with open_slide(tissue, mpp=0.5) as slide:
        blocks, _ = run(slide, model)
        with pytest.raises(
            KaryoscopeError, match=r"^image, 0,0,\d+,\d+ at 0\.5 µm/px: out of memory$"
        ):
            list(blocks)


def test_a_network_without_the_maps_that_its_card_promises(threshold_model, tissue):
    class Other(Engine):
        device = "none"

        def run(self, images):
            return {"inside": np.zeros(images.shape[:3], np.float32)}

    model = Model(threshold_model.bundle, Other())
    with open_slide(tissue, mpp=0.5) as slide:
        blocks, _ = run(slide, model)
        with pytest.raises(KaryoscopeError, match="gives no map 'boundary' at stride 1"):
            list(blocks)


def test_stages_overlap(threshold_model, tissue):
    """While the network runs a window, the next is read."""
    reading, both = threading.Event(), threading.Event()

    class Slow(Engine):
        device = "none"

        def run(self, images):
            reading.clear()
            if reading.wait(2):
                both.set()
            return threshold_model.engine.run(images)

    model = Model(threshold_model.bundle, Slow())
    with open_slide(tissue, mpp=0.5) as slide:
        whole = area_of(slide, model.mpp)
        layout = Layout(whole.grid.width, whole.grid.height, 32, 64, largest=320)

        def read(*window):
            time.sleep(0.05)
            reading.set()
            return slide.read(*window)

        list(stream_nuclei(slide, model, layout, whole, Progress(), read))
    assert both.is_set()


def test_giving_up_early_leaves_no_thread_and_no_work(threshold_model, tissue):
    before = threading.active_count()
    runs = []

    class Counting(Engine):
        device = "none"

        def run(self, images):
            runs.append(1)
            return threshold_model.engine.run(images)

    with open_slide(tissue, mpp=0.5) as slide:
        blocks, progress = run(slide, Model(threshold_model.bundle, Counting()))
        next(blocks)
        blocks.close()
        assert progress.blocks_done == 1
        assert len(runs) < 8 < progress.blocks
    assert threading.active_count() == before


def test_progress(threshold_model, tissue):
    with open_slide(tissue, mpp=0.5) as slide:
        blocks, progress = run(slide, threshold_model)
        done = [progress.blocks_done for _ in blocks]
    assert done == list(range(1, progress.blocks + 1))
    assert set(progress.seconds) == {"reading", "inference", "postprocessing"}
    assert min(progress.seconds.values()) > 0
    assert progress.analysed_px == 760 * 900
