"""The notebook of one round of correction, executed, and what it wrote looked at."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from karyoscope.datasets import open_dataset
from karyoscope.evaluation import read_evaluation

LABELS = Path(__file__).parents[1] / "data" / "dsb2018"


@pytest.fixture
def work(executed):
    for name in ("torch", "lightning", "onnx"):
        pytest.importorskip(name, reason="the notebook trains")
    return executed("correction")[1]


@pytest.mark.slow
class TestTheRound:
    def test_ranked_tiles_became_the_truth_of_the_annotators(self, work):
        rows = list(csv.DictReader((work / "review.csv").open()))
        assert len(rows) == 4
        assert float(rows[0]["score"]) == max(float(row["score"]) for row in rows)
        drawn = {s.record.name: s.inst_map for s in open_dataset(LABELS, "folder", mpp=0.5)}
        collected = list(open_dataset(work / "set"))
        assert sorted(s.record.source for s in collected) == sorted(
            Path(row["slide"]).stem for row in rows
        )
        for row in rows:
            x, y, width, height = (int(row[k]) for k in ("x", "y", "width", "height"))
            truth = drawn[Path(row["slide"]).stem][y : y + height, x : x + width] > 0
            same = [
                (truth == (s.inst_map > 0))[~np.asarray(s.ignore)].mean()
                if s.ignore is not None
                else (truth == (s.inst_map > 0)).mean()
                for s in collected
                if s.inst_map.shape == truth.shape
            ]
            assert max(same) == 1

    def test_it_was_trained_on_them_and_scored_on_others(self, work):
        trained = json.loads((work / "run" / "trained_on.json").read_text("utf-8"))
        sources = {name.rsplit("-", 1)[0] for name in trained["data"][0]["train"]}
        before, after = (read_evaluation(work / name) for name in ("before", "after"))
        scored = {row["source"] for row in after.image_scores()}
        assert scored == {row["source"] for row in before.image_scores()}
        assert len(scored) == 2
        assert sources.isdisjoint(scored)
        assert after["pq"] != before["pq"]
        assert trained["parents"][0]["name"] == "lizard"

    def test_there_are_pictures(self, work):
        for name in ("rank.png", "collect.png"):
            assert (work / name).stat().st_size > 10_000
