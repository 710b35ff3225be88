"""The notebook from own labels to an own model, executed, and what it wrote looked at."""

import json

import pytest

from karyoscope.evaluation import read_evaluation
from karyoscope.inference import find_bundle


@pytest.fixture
def work(executed):
    for name in ("torch", "lightning", "onnx"):
        pytest.importorskip(name, reason="the notebook trains")
    return executed("finetuning")[1]


@pytest.mark.slow
class TestTheStory:
    def test_the_test_part_is_unseen_in_every_training(self, work):
        parts = json.loads((work / "split.json").read_text("utf-8"))["parts"]
        assert {part: len(names) for part, names in parts.items()} == {
            "train": 6, "validation": 2, "test": 2
        }  # fmt: skip
        for run in ("run", "run_encoder"):
            kept = json.loads((work / run / "trained_on.json").read_text("utf-8"))
            (data,) = kept["data"]
            assert sorted(data["train"]) == sorted(parts["train"])
            assert sorted(kept["validation"]) == sorted(parts["validation"])
            assert {"Kind A", "Kind B"} <= data["nuclei"].keys()
        for name in ("lizard", "encoder", "fine-tuned", "tuned"):
            found = read_evaluation(work / "scores" / name)
            assert sorted(row["name"] for row in found.image_scores()) == sorted(parts["test"])

    def test_what_the_parent_has_learned_is_worth_more_than_its_encoder(self, work):
        scores = {n: read_evaluation(work / "scores" / n)["pq"] for n in ("encoder", "fine-tuned")}
        assert scores["fine-tuned"] > scores["encoder"] + 0.1

    def test_the_share_of_the_parent_was_chosen_on_the_validation_part(self, work):
        card = find_bundle(work / "tuned").card
        kept = card.training["keep_parent"]
        assert kept == json.loads((work / "run" / "keep_parent.json").read_text("utf-8"))
        assert kept["chosen_by"] == "mpq_plus"
        assert "keep_parent" not in find_bundle(work / "encoder").card.training
        assert card.mpp == 0.5
        assert card.training["data"][0]["mpp"] == 0.2
        assert (work / "test.png").stat().st_size > 10_000
