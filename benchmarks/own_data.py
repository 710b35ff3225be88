"""From own labels to an own model: CoNSeP images under own class names, against what ships.

Twelve training images of CoNSeP at 0.25 µm/px become a folder with four own classes, divided three
ways. The commands of docs/finetuning.md fine-tune the shipped model on it, tune the result, and
score it on the test part beside the shipped model and beside the same recipe from the encoder
alone. Two more arms have the same nuclei as points, and no training at all.

    python benchmarks/own_data.py ../shared/data/consep --lizard ../shared/data/lizard --out own

Each command is printed before it runs; what is done in ``--out`` is not repeated. The test images
are those that the shipped model was not trained on, which is checked by name in its card and, for
images that Lizard and CoNSeP share, by correlation of pixels.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage

from karyoscope.core.taxonomy import NucleusClass, Taxonomy
from karyoscope.datasets import Sample, open_dataset
from karyoscope.datasets.folder import write_folder
from karyoscope.datasets.merge import merge_classes
from karyoscope.datasets.split import Split, write_split
from karyoscope.evaluation import read_evaluation
from karyoscope.inference import find_bundle
from karyoscope.training.kept import read_description

PARTS = {
    "train": ["train_1", "train_2", "train_4", "train_5", "train_7", "train_9"],
    "validation": ["train_12", "train_13"],
    "test": ["train_3", "train_8", "train_11", "train_15"],
}
#: Of the tissue of this image Lizard has a copy, which shows that copies are found.
IN_LIZARD = "train_10"
OWN = {"other": "Rest", "inflammatory": "Immune", "epithelial": "Epithelium", "spindle": "Stroma"}
ENCODER = "tf_efficientnet_lite0"
SCORES = ("pq", "mpq_plus", "acc_balanced")


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("truth", type=Path)
    parser.add_argument("--lizard", type=Path, help="Lizard's images, to look for copies in")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", default="start,own,encoder,points")
    parser.add_argument("--time", type=int, default=600, help="seconds of each training")
    parser.add_argument("--steps", type=int, help="steps of each training, instead of --time")
    parser.add_argument("--set", nargs="*", default=[], help="changes of the recipe")
    args = parser.parse_args()
    out = args.out
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "split.json").exists():
        _write_data(args.truth, out)
    _prove_unseen(args.truth, args.lizard)
    arms = args.arms.split(",")
    for arm in arms:
        length = ["--time", args.time] if args.steps is None else ["--steps", args.steps]
        _run(arm, out, length, args.set)
    _report(out, arms)


def _write_data(truth: Path, out: Path) -> None:
    classes = Taxonomy.load("consep4")
    mine = Taxonomy(
        "mine",
        tuple(NucleusClass(c.id, OWN[c.name], c.color) for c in classes.classes),
        {"consep4": {own: name for name, own in OWN.items()}},
        {"lizard": {OWN[name]: may for name, may in classes.may_be["lizard"].items()}},
    )
    dataset = merge_classes(open_dataset(truth), classes)
    names = {name for part in PARTS.values() for name in part}
    dataset.records = [record for record in dataset.records if record.name in names]
    # All models are scored under the same names.
    write_folder(dataset, out / "merged", classes)
    write_folder((replace(s, taxonomy=mine) for s in dataset), out / "mine", mine)
    write_folder(_points(open_dataset(out / "mine")), out / "mine_points", mine)
    shares = {part: len(held) / len(names) for part, held in PARTS.items()}
    write_split(Split(PARTS, shares, 0, {}), out / "split.json")


def _points(samples: Iterable[Sample]) -> Iterator[Sample]:
    """The centroid of every nucleus in place of its outline."""
    for sample in samples:
        ids = np.unique(sample.inst_map[sample.inst_map > 0])
        where = ndimage.center_of_mass(sample.inst_map > 0, sample.inst_map, ids)
        rows = [(x + 0.5, y + 0.5, sample.classes[k]) for k, (y, x) in zip(ids, where, strict=True)]
        empty, none = np.zeros_like(sample.inst_map), np.zeros(1, np.uint8)
        yield replace(sample, inst_map=empty, classes=none, points=np.array(rows))


def _prove_unseen(truth: Path, lizard: Path | None) -> None:
    card = find_bundle("lizard").card
    (consep,) = (data for data in card.training["data"] if data["name"] == "consep")
    assert set(PARTS["test"]) <= set(consep["held_out"]), "the shipped model has test images"
    print(f"{card.name} {card.version} was not trained on {', '.join(PARTS['test'])} (its card)")
    if lizard is None:
        return
    there = [cv2.imread(str(p), 0) for p in sorted((lizard / "Lizard_Images").glob("consep_*"))]
    for name in (IN_LIZARD, *PARTS["test"]):
        image = cv2.imread(str(next((truth / "Train" / "Images").glob(f"{name}.*"))), 0)
        half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        y, x = half.shape[0] // 2 - 100, half.shape[1] // 2 - 100
        middle = half[y : y + 200, x : x + 200]
        best = max(float(cv2.matchTemplate(o, middle, cv2.TM_CCOEFF_NORMED).max()) for o in there)
        print(f"{name}: highest correlation with an image of Lizard {best:.3f}")
        assert (best > 0.95) == (name == IN_LIZARD)


def _run(arm: str, out: Path, length: list[object], changes: list[str]) -> None:
    """Train, export, tune and score one arm, as far as it is not done."""
    run, bundle, split = out / f"run_{arm}", out / f"bundle_{arm}", ["--split", out / "split.json"]
    given = [part for change in changes for part in ("--set", change)]
    truth, own = (["--truth", out / name, *split] for name in ("merged", "mine"))
    if arm == "start":
        _score("lizard", truth, out / "start")
        return
    if not (run / "weights.safetensors").exists():
        rest = [*length, "--workers", 1, "--out", run, "--device", "cpu"]
        data = ["--data", out / ("mine_points" if arm == "points" else "mine"), *split]
        if arm == "encoder":
            changed = ["start=null", f"network.pretrained={ENCODER}", "training.statistics=batch"]
            changed += ["optimiser.lr=1e-3"]
            named = [part for change in changed for part in ("--set", change)]
            _command("train", out / "run_own" / "recipe.yaml", *rest, *given, *named)
        else:
            recipe = ["finetune-points"] if arm == "points" else []
            _command("train", *recipe, *data, "--start", "lizard", *rest, *given)
    if not bundle.exists():
        _command("export", run, "--checkpoint", "weights.safetensors", "--out", bundle)
    _score(bundle, truth, out / arm)
    tuned = out / f"tuned_{arm}"
    if not tuned.exists():
        _command("tune", bundle, *own, "--part", "validation", "--out", tuned, "--workers", 1)
    _score(tuned, truth, out / f"{arm}_tuned")
    kept = read_description(run)
    assert kept is not None
    seen = {name for data in kept["data"] for name in data["train"]} | {*kept["validation"]}
    assert seen.isdisjoint(PARTS["test"]), f"{arm} has seen the test part"


def _score(model: str | Path, truth: list[object], out: Path) -> None:
    if not (out / "evaluation.json").exists():
        options = ["--part", "test", "--patches", 0, "--workers", 1]
        _command("evaluate", "--model", model, *truth, *options, "--out", out)


def _command(*arguments: object) -> None:
    line = [str(argument) for argument in arguments]
    print("karyoscope", *line, flush=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "karyoscope", *line], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  {spent:.0f} s of the processor", flush=True)


def _report(out: Path, arms: list[str]) -> None:
    print("| model | steps |", " | ".join(f"{name} [95 %]" for name in SCORES), "|")
    for arm in arms:
        for name in (arm, f"{arm}_tuned"):
            if not (out / name / "evaluation.json").exists():
                continue
            found = read_evaluation(out / name)
            inside = found.intervals()
            cells = [f"{found[s]:.3f} [{inside[s][0]:.3f}, {inside[s][1]:.3f}]" for s in SCORES]
            card = out / f"bundle_{arm}" / "model.yaml"
            steps = find_bundle(str(card.parent)).card.training["step"] if card.exists() else ""
            print("|", name, "|", steps, "|", " | ".join(cells), "|")
    if (out / "own_tuned" / "evaluation.json").exists():
        own, start = (read_evaluation(out / name) for name in ("own_tuned", "start"))
        for score, change in start.difference(own).items():
            if score in SCORES:
                print("own, tuned, less the shipped model:", score, json.dumps(change, default=str))


if __name__ == "__main__":
    main()
