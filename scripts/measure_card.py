"""Measure shipped models, and write the figures into their cards.

    python scripts/measure_card.py lizard lizard-large
    python scripts/measure_card.py lizard --parts scores steadiness

For each model in ``src/karyoscope/models``, three things are measured: the training nuclei of every
data set by class and by tissue, read with the recipe that ``training.recipe`` of its card names;
the scores on the validation images with intervals, without the class weights (before tuning) and
with them (after); and the steadiness. They are written into ``model.yaml``, and from there into the
tables of the model's README, whose other texts are written by hand. With ``--parts`` alone nothing
is measured, and the tables are generated again from the card. The network and its weights do not
change.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from karyoscope import evaluate
from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import open_dataset
from karyoscope.datasets.inspect import class_counts
from karyoscope.evaluation import ScoringOptions
from karyoscope.evaluation.card_scores import rewritten
from karyoscope.evaluation.from_paths import names_of_part
from karyoscope.evaluation.steadiness import choose_images, measure_steadiness, steadiness_of
from karyoscope.inference import Bundle, find_bundle, load_model
from karyoscope.inference.bundle import CARD, README
from karyoscope.inference.rewrite import rewrite_bundle

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "src" / "karyoscope" / "models"
RECIPES = ROOT / "src" / "karyoscope" / "recipes"
PART = "validation"
#: What is scored, and by which protocol.
SETS = {"lizard": "conic", "kumar": "hovernet", "consep": "hovernet"}
#: Tissue of a data set, or of the tissue source site in the name of an image of TCGA
#: (https://gdc.cancer.gov/resources-tcga-users/tcga-code-tables/tissue-source-site-codes).
TISSUES = {
    "lizard": "colon",
    "lizard_from_overlays": "colon",
    "consep": "colon",
    "pannuke_breast25": "breast",
    "TCGA-A7": "breast",
    "TCGA-AR": "breast",
    "TCGA-B0": "kidney",
    "TCGA-HE": "kidney",
    "TCGA-G9": "prostate",
    "TCGA-18": "lung",
    "TCGA-38": "lung",
    "TCGA-49": "lung",
    "TCGA-50": "lung",
}

log = logging.getLogger("measure_card")


def main() -> None:
    """Measure the models that are named."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("names", nargs="+", help="such as lizard")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--workers", type=int, default=0, help="threads of the CPU; 0 for all")
    arguments = parser.parse_args()
    for name in arguments.names:
        folder = MODELS / name
        accept_readme(folder)
        for part in arguments.parts:
            log.info("%s: %s", name, part)
            bundle = find_bundle(folder)
            rewritten(bundle, folder, PARTS[part](bundle, arguments.data, arguments.workers))
        rewritten(find_bundle(folder), folder, {})


def accept_readme(folder: Path) -> None:
    """State the digest of the README in the card: its texts may have been edited."""
    stated = find_bundle(folder).card.files[README]
    digest = hashlib.sha256((folder / README).read_bytes()).hexdigest()
    card = folder / CARD
    card.write_text(card.read_text("utf-8").replace(stated, digest), "utf-8")


def counted(bundle: Bundle, data: Path, workers: int) -> dict[str, Any]:
    """Training data with their nuclei, as the recipe reads them."""
    # Imported here: scores and steadiness need no PyTorch.
    from karyoscope.training.data.images import images_of, load_training_bank
    from karyoscope.training.kept import of_bank
    from karyoscope.training.recipe import load_recipe

    training = bundle.card.training
    recipe = load_recipe(training["recipe"])
    recipe = recipe.model_copy(
        update={
            "data": [s.model_copy(update={"path": data / s.path.name}) for s in recipe.data],
        }
    )
    sources, validation = images_of(recipe)
    if sorted(record.name for record in validation) != sorted(training["validation"]):
        raise SystemExit(f"{training['recipe']} validates on other images than the card states")
    stated = {source["name"]: source for source in training["data"]}
    if {source.describe()["name"] for source in sources} != stated.keys():
        raise SystemExit(f"{training['recipe']} reads other data than the card states")
    bank, first, found = load_training_bank(recipe), 0, []
    for source in sources:
        entry = source.describe()
        name, count = entry["name"], len(source.train)
        for key in ("images", "held_out"):
            if entry[key] != stated[name][key]:
                raise SystemExit(f"{name}: {key} of the recipe are not those of the card")
        entry |= {"nuclei": of_bank(bank, bundle.taxonomy, first, count)["nuclei"]}
        images, nuclei = Counter[str](), Counter[str]()
        for number, record in enumerate(source.train):
            tissue = tissue_of(name, record.name)
            images[tissue] += 1
            held = of_bank(bank, bundle.taxonomy, first + number, 1)["nuclei"]
            nuclei[tissue] += sum(held.values())
        entry["tissues"] = {t: {"images": images[t], "nuclei": nuclei[t]} for t in sorted(images)}
        if source.dataset.taxonomy.names != bundle.taxonomy.names:
            entry |= annotated(source)
        first += count
        found.append(entry)
        log.info("%s: %s", name, entry["nuclei"])
    return {"training": training | {"data": found}}


def annotated(source: Any) -> dict[str, dict[str, int]]:
    """Nuclei by the classes of the data set itself; those that are left out apart."""
    taxonomy: Taxonomy = source.dataset.taxonomy
    counts = sum(class_counts(source.dataset.load(record)) for record in source.train)
    by_name = {c.name: int(counts[c.id]) for c in taxonomy.classes}
    if counts[0]:
        by_name["without class"] = int(counts[0])
    ignored = {name: by_name.pop(name) for name in source.source.ignore or ()}
    return {"annotated": by_name} | ({"ignored": ignored} if ignored else {})


def tissue_of(folder: str, image: str) -> str:
    """Tissue of an image, by its data set or its TCGA code."""
    return TISSUES.get(folder) or TISSUES.get(image[:7], "not stated")


def scored(bundle: Bundle, data: Path, workers: int) -> dict[str, Any]:
    """Scores with intervals by title, before and after the tuning of the parameters."""
    name = bundle.card.postprocessing.name
    changes = {"postprocessing": {"name": name, "params": {}}, "counting": None}
    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        before = rewrite_bundle(bundle, Path(folder) / bundle.card.name, changes)
        for truth, protocol in SETS.items():
            split = RECIPES / f"{truth}.split.json"
            command = (
                f"karyoscope evaluate --model {bundle.card.name} --truth ../shared/data/{truth}"
                f" --protocol {protocol} --split {split.relative_to(ROOT)} --part {PART}"
            )
            for when, model in (("before", before), ("after", bundle.path)):
                result = evaluate(
                    data / truth,
                    model=model,
                    options=ScoringOptions(protocol),
                    split=split,
                    part=PART,
                    threads=workers,
                )
                if result.problems:
                    raise SystemExit("; ".join(result.problems))
                script = f"python scripts/measure_card.py {bundle.card.name} --parts scores"
                about = {
                    "data": f"{truth}, {result.images} images of the part {PART}",
                    "command": command if when == "after" else script,
                    "date": today(),
                }
                title = f"{truth}, {PART}, {when} tuning"
                scores[title] = result.for_card() | about
                log.info("%s: PQ %s", title, scores[title]["pq"])
    return {"scores": scores}


def steady(bundle: Bundle, data: Path, workers: int) -> dict[str, Any]:
    """Steadiness on six of the validation images of Lizard."""
    truth = "lizard"
    names = names_of_part(RECIPES / f"{truth}.split.json", PART)
    samples = choose_images(open_dataset(data / truth), names)
    found = measure_steadiness(load_model(bundle.path, threads=workers), samples)
    entry = steadiness_of(
        found,
        samples,
        data=f"{truth}, {PART}",
        command=f"python benchmarks/stability.py --model {bundle.card.name}",
        date=today(),
    )
    log.info("found again: %s", {name: row.found_again for name, row in entry.changes.items()})
    return {"steadiness": entry.model_dump(mode="json")}


def today() -> str:
    """The date of a measurement."""
    return datetime.now(UTC).date().isoformat()


PARTS = {"data": counted, "scores": scored, "steadiness": steady}

if __name__ == "__main__":
    try:
        main()
    except KaryoscopeError as error:
        raise SystemExit(str(error)) from error
