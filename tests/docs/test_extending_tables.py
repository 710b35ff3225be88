"""The tables of docs/extending list what the package has."""

from __future__ import annotations

import inspect

import pytest
from extending_pages import PAGES

from karyoscope import metrics
from karyoscope.core.maps import MAPS
from karyoscope.metrics.accumulate import Accumulator


def rows(page: str, first: str) -> dict[str, str]:
    """Rows of the table whose first column has a heading, by what is in that column."""
    lines = PAGES[page].read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    found = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found[line.split("|")[1].strip(" `")] = line
    return found


def test_metrics_with_their_arguments_and_scores():
    known = {
        name: value
        for name, value in vars(metrics).items()
        if inspect.isclass(value) and issubclass(value, Accumulator)
    }
    table = rows("protocol", "class")
    assert table.keys() == known.keys()
    for name, metric in known.items():
        _, _, arguments, overall, classes, _ = table[name].split("|")
        for parameter in inspect.signature(metric).parameters:
            assert f"`{parameter}" in arguments
        for cell, scores in ((overall, metric.set_scores), (classes, metric.class_scores)):
            assert cell.strip() == (", ".join(f"`{s.name}`" for s in scores) or "none")


def test_maps_with_their_meaning():
    table = rows("postprocessing", "map")
    assert table.keys() == MAPS.keys()
    for name, kind in MAPS.items():
        channels = "classes + 1" if kind.channels is None else kind.channels or "none"
        assert table[name] == f"| `{name}` | {channels} | {kind.meaning} |"


def test_outputs_with_the_networks_that_have_them():
    torch = pytest.importorskip("torch")
    pytest.importorskip("timm")
    from karyoscope.networks import NETWORKS, build_network

    table = rows("loss", "name")
    for name in NETWORKS:
        with torch.device("meta"):
            network = build_network(name, 3)
        for output in network.outputs:
            assert output == "types" or f"`{name}`" in table[output]


def test_targets():
    pytest.importorskip("torch")
    from karyoscope.targets import TARGETS

    text = PAGES["loss"].read_text(encoding="utf-8")
    assert [name for name in TARGETS if f"| `{name}` |" not in text] == []
