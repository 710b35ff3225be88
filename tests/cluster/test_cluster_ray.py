"""Two machines, which are processes here, one of which is lost in mid-run."""

from __future__ import annotations

import importlib
import importlib.util

import pytest

from karyoscope.cluster import Cluster, segment_slides
from karyoscope.core.errors import KaryoscopeError
from karyoscope.export import read_parquet
from karyoscope.pipeline import Layout, SegmentOptions, prepare_model, run_blocks, segment_file
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
def cluster(machines, tiny_bundle):
    with Cluster(machines[0].address, tiny_bundle, threads=1) as cluster:
        yield cluster


@pytest.fixture
def small_windows(monkeypatch):
    """More blocks than a slide of this size has, so that there is something to divide."""
    module = importlib.import_module("karyoscope.pipeline.segment")
    monkeypatch.setattr(module, "Layout", lambda *a, **k: Layout(*a, largest=640, **k))


OPTIONS = SegmentOptions(("parquet", "geojson"))


@pytest.fixture
def alone(example_slide, tiny_bundle, tmp_path, small_windows):
    """Files of one machine."""
    model = prepare_model(tiny_bundle, "cpu", 1)
    summary = segment_file(example_slide, tmp_path / "alone", model, options=OPTIONS)
    assert summary["nuclei"] > 1000
    return tmp_path / "alone"


def assert_same_files(one, other):
    names = ["CMU-1-Small-Region.geojson", "CMU-1-Small-Region.parquet"]
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_machine_lost_in_mid_run_changes_nothing_but_time(
    machines, cluster, example_slide, tmp_path, alone
):
    nodes, add_node = machines
    other = add_node()
    nodes.wait_for_nodes()
    assert cluster.slots == 2
    lost = []

    def run_and_lose(*arguments, **options):
        for block in cluster.run_blocks(*arguments, **options):
            if not lost:
                nodes.remove_node(other, allow_graceful=False)
                lost.append(block)
            yield block

    summary = segment_file(
        example_slide.resolve(), tmp_path / "out", cluster.model, options=OPTIONS, run=run_and_lose
    )
    assert lost
    assert summary["failed_regions"] == summary["unread_regions"] == []
    assert_same_files(tmp_path / "out", alone)
    assert cluster.slots == 1


def test_a_run_that_is_stopped_goes_on_on_one_machine(
    cluster, example_slide, tiny_bundle, tmp_path, alone
):
    out = tmp_path / "out"

    class Stopped(Exception):
        pass

    def run_and_stop(*arguments, **options):
        for number, block in enumerate(cluster.run_blocks(*arguments, **options)):
            if number == 9:
                raise Stopped
            yield block

    path = example_slide.resolve()
    with pytest.raises(Stopped):
        segment_file(path, out, cluster.model, options=OPTIONS, run=run_and_stop)
    counted = []

    def run_here(slide, model, layout, area, indices, **options):
        for block in run_blocks(slide, model, layout, area, indices, **options):
            counted.append(block[0])
            yield block

    model = prepare_model(tiny_bundle, "cpu", 1)
    segment_file(path, out, model, options=OPTIONS, run=run_here)
    assert len(counted) > 0
    assert min(counted) == 9
    assert_same_files(out, alone)


def test_several_slides_share_the_machines(cluster, example_slide, tmp_path, alone):
    paths = [tmp_path / f"{name}.svs" for name in "abc"]
    for path in paths:
        path.symlink_to(example_slide.resolve())
    gone = tmp_path / "gone.svs"

    def work(path):
        out = tmp_path / "out"
        return segment_file(path, out, cluster.model, options=OPTIONS, run=cluster.run_blocks)

    with segment_slides(cluster, [*paths, gone], work) as result_of:
        summaries = [result_of(path) for path in paths]
        with pytest.raises(KaryoscopeError, match="does not exist"):
            result_of(gone)
    expected = read_parquet(alone / "CMU-1-Small-Region.parquet")
    assert [summary["nuclei"] for summary in summaries] == [len(expected)] * 3
    for path in paths:
        assert_same_nuclei(read_parquet(tmp_path / "out" / f"{path.stem}.parquet"), expected)


def test_what_the_machines_have_not_is_named(cluster, machines, monkeypatch):
    module = importlib.import_module("karyoscope.cluster.cluster")
    monkeypatch.setattr(module, "_PATIENCE_S", 0)
    address = machines[0].address
    with pytest.raises(KaryoscopeError, match="no machine of the cluster has a GPU"):
        Cluster(address, device="cuda", threads=1)
    with pytest.raises(KaryoscopeError, match=r"--workers 64: no machine.* more than 1 CPUs"):
        Cluster(address, threads=64)
