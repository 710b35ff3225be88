"""Two machines, which are processes here, one of which is lost in mid-run."""

from __future__ import annotations

import importlib.util
import shutil
import time
from contextlib import closing

import pytest

from karyoscope.cluster import Cluster
from karyoscope.core.errors import KaryoscopeError
from karyoscope.formats import read_parquet
from karyoscope.pipeline import (
    Layout,
    LocalExecutor,
    SegmentOptions,
    segment_file,
    segment_slides,
)
from tiny_model import assert_same_nuclei

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]

STORE = 100 << 20


@pytest.fixture(scope="module")
def machines():
    """A head that we are connected to and, while a test adds one, another machine; one CPU each."""
    import ray
    from ray.cluster_utils import Cluster as Machines

    options = {"num_cpus": 1, "object_store_memory": STORE}
    machines = Machines(initialize_head=True, head_node_args=options | {"include_dashboard": False})
    yield machines, lambda: machines.add_node(**options)
    ray.shutdown()
    machines.shutdown()


@pytest.fixture(scope="module")
def cluster(machines):
    with closing(Cluster(machines[0].address, threads=1)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def model(cluster, tiny_bundle):
    return cluster.load(tiny_bundle)


@pytest.fixture
def small_windows(monkeypatch):
    """More blocks than a slide of this size has, so that there is something to divide."""
    layout = lambda *a, **k: Layout(*a, largest=640, **k)  # noqa: E731
    monkeypatch.setattr("karyoscope.pipeline.tiling.plan.Layout", layout)


OPTIONS = SegmentOptions(("parquet", "geojson"))


@pytest.fixture
def alone(example_slide, tiny_bundle, tmp_path, small_windows):
    """Files of one machine."""
    model = LocalExecutor("cpu", 1).load(tiny_bundle)
    summary = segment_file(example_slide, tmp_path / "alone", model, OPTIONS)
    assert summary["nuclei"] > 1000
    return tmp_path / "alone"


class Watched:
    """The cluster, with something that is called after each block."""

    threads = 0

    def __init__(self, executor, after) -> None:
        self.executor, self.after = executor, after

    def expect(self, *arguments):
        self.executor.expect(*arguments)

    def run_blocks(self, *arguments):
        for block in self.executor.run_blocks(*arguments):
            self.after(block)
            yield block


def assert_same_files(one, other):
    names = ["CMU-1-Small-Region.geojson", "CMU-1-Small-Region.parquet"]
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_machine_lost_in_mid_run_changes_nothing_but_time(
    machines, cluster, model, example_slide, tmp_path, alone
):
    nodes, add_node = machines
    other = add_node()
    nodes.wait_for_nodes()
    assert cluster.slots == 2
    lost = []

    def lose(block):
        if not lost:
            nodes.remove_node(other, allow_graceful=False)
            lost.append(block)

    path, executor = example_slide.resolve(), Watched(cluster, lose)
    summary = segment_file(path, tmp_path / "out", model, OPTIONS, executor=executor)
    assert lost
    assert summary["failed_regions"] == summary["unread_regions"] == []
    assert_same_files(tmp_path / "out", alone)
    # The cluster may take a while to notice that the machine is gone.
    limit = time.monotonic() + 60
    while cluster.slots != 1 and time.monotonic() < limit:
        time.sleep(0.5)
    assert cluster.slots == 1


def test_a_run_that_is_stopped_goes_on_on_one_machine(
    cluster, model, example_slide, tiny_bundle, tmp_path, alone
):
    out = tmp_path / "out"
    blocks = []

    class Stopped(Exception):
        pass

    def stop(block):
        blocks.append(block[0])
        if len(blocks) == 10:
            raise Stopped

    path = example_slide.resolve()
    with pytest.raises(Stopped):
        segment_file(path, out, model, OPTIONS, executor=Watched(cluster, stop))
    counted = []
    here = LocalExecutor("cpu", 1)
    watched = Watched(here, lambda block: counted.append(block[0]))
    segment_file(path, out, here.load(tiny_bundle), OPTIONS, executor=watched)
    assert len(counted) > 0
    assert min(counted) == 9
    assert_same_files(out, alone)


def test_several_slides_share_the_machines(cluster, model, example_slide, tmp_path, alone):
    paths = [tmp_path / f"{name}.svs" for name in "abc"]
    for path in paths:
        shutil.copyfile(example_slide, path)
    damaged = tmp_path / "damaged.svs"
    damaged.write_bytes(example_slide.read_bytes()[:1000])
    result = segment_slides([*paths, damaged], tmp_path / "out", model, OPTIONS, cluster)
    failed = [slide.path.name for slide in result.slides if slide.status == "failed"]
    assert failed == ["damaged.svs"]
    summaries = result.summaries
    expected = read_parquet(alone / "CMU-1-Small-Region.parquet")
    assert [summary["nuclei"] for summary in summaries] == [len(expected)] * 3
    for path in paths:
        assert_same_nuclei(read_parquet(tmp_path / "out" / f"{path.stem}.parquet"), expected)


def test_what_the_machines_have_not_is_named(cluster, machines, tiny_bundle, monkeypatch):
    monkeypatch.setattr("karyoscope.cluster.cluster.STARTUP_S", 0)
    address = machines[0].address
    with pytest.raises(KaryoscopeError, match="no machine of the cluster has a GPU"):
        Cluster(address, device="cuda", threads=1).load(tiny_bundle)
    with pytest.raises(KaryoscopeError, match=r"--workers 64: no machine.* more than 1 CPUs"):
        Cluster(address, threads=64).load(tiny_bundle)
