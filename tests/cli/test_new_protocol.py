"""A protocol and a metric that the package does not know reach every table, page and comparison."""

import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Record, Sample
from karyoscope.datasets.folder import write_folder
from karyoscope.metrics import PROTOCOLS, Score, ScoringProtocol, report_classes, report_set
from karyoscope.metrics.accumulate import Accumulator, Scores, ratio

LIZARD = Taxonomy.load("lizard")


class SurplusAccumulator(Accumulator):
    """Predicted nuclei by true ones: a made-up metric."""

    conventions = {"counted": "every nucleus"}  # noqa: RUF012
    set_scores = (Score("surplus", "surplus", digits=1, range=(0.0, math.inf)),)
    class_scores = (
        Score("surplus", "surplus", digits=1, higher_is_better=False, range=(0.0, math.inf)),
    )

    def count(self, pair):
        classed = pair.classed("majority")
        rows = [
            [(of_nuclei == c).sum() for c in self.taxonomy.ids]
            for of_nuclei in (classed.true_classes, classed.pred_classes)
        ]
        return np.array(rows, float)

    def _row_shape(self):
        return (2, len(self.class_names))

    def terms(self, counts):
        return {"counts": counts}

    def score(self, sums):
        counts = sums["counts"]
        whole = counts.sum(-1)
        return Scores(
            {"surplus": ratio(whole[..., 1], whole[..., 0])},
            {"surplus": ratio(counts[..., 1, :], counts[..., 0, :])},
        )


@pytest.fixture(autouse=True)
def made_up(monkeypatch):
    protocol = ScoringProtocol(
        name="surplus",
        repeats="nobody's figures",
        needs_mpp=False,
        build=lambda taxonomy, mpp: {"surplus": SurplusAccumulator(taxonomy)},
        overall=report_set("surplus", SurplusAccumulator, excess=("surplus", "excess of nuclei")),
        classes=report_classes("surplus", SurplusAccumulator, "surplus"),
    )
    monkeypatch.setitem(PROTOCOLS, "surplus", protocol)


@pytest.fixture
def folders(tmp_path):
    """Truth, and predictions that lack a nucleus or two."""
    labels = np.zeros((64, 64), np.int32)
    for k in range(4):
        cv2.circle(labels, (16 + 32 * (k % 2), 16 + 32 * (k // 2)), 6, k + 1, cv2.FILLED)
    classes = np.array([0, 2, 2, 3, 6], np.uint8)
    samples = [
        Sample(Record(n, n), np.full((64, 64, 3), 200, np.uint8), labels, classes, LIZARD, 0.5)
        for n in ("a", "b", "c")
    ]
    write_folder(samples, tmp_path / "truth", LIZARD)
    for name, lost in (("one", [4]), ("two", [3, 4])):
        (tmp_path / name).mkdir()
        found = np.where(np.isin(labels, lost), 0, labels).astype(np.uint8)
        for sample in samples:
            cv2.imwrite(str(tmp_path / name / f"{sample.record.name}.png"), found)
            rows = [f"{i},{LIZARD.by_id(int(classes[i])).name}" for i in range(1, 5)]
            text = "\n".join(["id,class", *rows]) + "\n"
            (tmp_path / name / f"{sample.record.name}.csv").write_text(text)
    return tmp_path


def evaluated(run, folders, name):
    found = run(
        *("evaluate", folders / name, "--truth", folders / "truth", "--protocol", "surplus"),
        *("--by", "source", "--out", folders / f"{name} scored"),
    )
    assert found.code == 0, found.err
    return found.out


def test_it_is_in_the_table_and_the_page(run, folders):
    table = evaluated(run, folders, "one")
    page = (folders / "one scored" / "evaluation.html").read_text(encoding="utf-8")
    for text in (table, page):
        assert "excess of nuclei" in text
        assert "nobody&#39;s figures" in text or "nobody's figures" in text
    assert "surplus by class" in page
    assert "<td>0.8</td>" in page
    assert "from the counts of the whole set" in page
    assert "Scores by source" in page


def test_it_is_compared(run, folders):
    for name in ("one", "two"):
        evaluated(run, folders, name)
    files = [folders / f"{name} scored" / "evaluation.json" for name in ("one", "two")]
    table = run("compare", *files).out
    assert "excess of nuclei" in table
    assert "connective surplus" in table
    data = json.loads(run("compare", *files, "--json").out)
    assert data["excess"]["difference"] == pytest.approx(-0.25)
    lines = {line.split("  ")[0].strip(): line for line in table.splitlines()}
    # All nuclei: more is declared better. Of a class: fewer.
    assert lines["excess of nuclei"].split()[-1] == "A"
    assert lines["lymphocyte surplus"].split()[-1] == "B"


def test_it_may_have_no_scores_of_classes(run, folders, monkeypatch):
    monkeypatch.setitem(PROTOCOLS, "surplus", replace(PROTOCOLS["surplus"], classes={}))
    for name in ("one", "two"):
        assert "excess of nuclei" in evaluated(run, folders, name)
    files = [folders / f"{name} scored" / "evaluation.json" for name in ("one", "two")]
    assert "lymphocyte surplus" not in run("compare", *files).out
    assert "classes" not in json.loads(run("compare", *files, "--json").out)
