"""Change input files of every kind at random, read each in a process of its own, count the ends.

python benchmarks/mutated.py [--inputs N] [--seed N] [--kind NAME ...] [--resume FILE]

An input must be read, or refused with one line (a KaryoscopeError). Anything else is a defect: a
traceback, a process that takes more than 60 seconds, grows by more than 3 GB, or is killed by a
signal. The exit code is 1 where there is one. The changes of a kind depend on the seed and the kind
alone, so that a campaign can be divided; with --resume, the ends of each kind are kept in a file,
and kinds that are in it are not run again.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tifffile

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.nuclei import Nuclei
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.yaml import dump_yaml
from karyoscope.datasets import open_dataset
from karyoscope.datasets.split import read_split
from karyoscope.evaluation import evaluate_predictions, open_predictions
from karyoscope.evaluation.comparison import read_evaluation
from karyoscope.formats import ExportContext, open_writers, read_parquet
from karyoscope.formats.cohort import cohort_rows, cohort_table
from karyoscope.inference import find_bundle
from karyoscope.metrics import Pair, score_pairs
from karyoscope.metrics.stored import to_json
from karyoscope.pipeline.measures.measuring import add_features
from karyoscope.pipeline.prepare import check_postprocessing
from karyoscope.pipeline.runs.journal import Journal
from karyoscope.pipeline.tiling.area import area_of
from karyoscope.pipeline.tiling.report import BlockReport
from karyoscope.report import write_cohort
from karyoscope.slides import ArraySlide, open_slide

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
HELPERS = [Path(__file__).parent, TESTS, TESTS / "datasets", TESTS / "evaluation"]
sys.path[:0] = list(map(str, HELPERS))
from damaged import EXAMPLE, damaged, end_of_child, slides  # noqa: E402

GROWTH = 3 << 30
ENDS = ("read", "refused", "traceback", "grew")
HOSTILE = (
    *(b"NaN", b"1e999", b"-1", b"null", b"0", b"9" * 5000, b'"\\ud800"', b"\x1b[2J", b"[[[[[[[["),
    *(b"{}", b'""', b"true", b"2001-99-99", b"!!int x", b"&a [*a]", b"../../etc", b"1e-300", b"\0"),
    *(b"[" * 3000, b'"x"', b"[]", b"65535", b"4294967295", b"=cmd|'/C calc'!A0"),
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Damage bytes, or put something hostile in the place of a word or a number."""
    small = len(data) < 100_000
    words = [at for at in range(len(data)) if data[at : at + 1] in b':,[ "'] if small else []
    if not words or chance.random() < 0.5:
        return damaged(data, chance)
    changed = data
    for _ in range(chance.choice((1, 1, 3))):
        start = chance.choice(words) + 1
        end = start
        while end < len(changed) and changed[end : end + 1] not in b",:]} \n":
            end += 1
        changed = changed[:start] + chance.choice(HOSTILE) + changed[end:]
    return changed


def nuclei(taxonomy: Taxonomy) -> Nuclei:
    """Twenty squares."""
    corners = np.array([(0, 0), (6, 0), (6, 6), (0, 6)], np.float32)
    centres = np.random.default_rng(0).uniform(10, 290, (20, 2)).round()
    return Nuclei(
        taxonomy,
        0.5,
        id=np.arange(1, 21),
        class_id=np.full(20, taxonomy.ids[0], np.uint8),
        x=centres[:, 0] + 3,
        y=centres[:, 1] + 3,
        area_um2=np.full(20, 9.0, np.float32),
        probabilities=np.zeros((20, 0)),
        vertices=(centres[:, None] + corners).reshape(-1, 2).astype(np.float32),
        offsets=np.arange(0, 81, 4),
    )


def pixels_of(path: Path) -> None:
    with open_slide(path, 0.5) as slide:
        slide.thumbnail(256)
        right, bottom = (max(0, edge - 300) for edge in slide.size)
        for x, y in ((0, 0), (right // 2, bottom // 2), (right, bottom)):
            slide.read(x, y, 300, 300)


def model_of(path: Path) -> None:
    bundle = find_bundle(path)
    check_postprocessing(bundle)
    bundle.read_graph()


def network_of(path: Path) -> None:
    from karyoscope.inference import load_model

    load_model(path.parent, "cpu", 1)


def cohort_of(path: Path) -> None:
    write_cohort(path.parent)
    rows = cohort_rows(path.parent)
    cohort_table(rows)


def samples_of(path: Path) -> None:
    if not list(open_dataset(path.parent.parent, mpp=0.2)):
        raise ValueError("no samples")


Inputs = dict[str, tuple[Path, Callable[[Path], object]]]


def inputs(folder: Path) -> Inputs:
    """One sound file of every kind, and what reads it."""
    from tiny_model import write_bundle

    rgb = np.ascontiguousarray(tifffile.imread(EXAMPLE)[700:1000, 700:1000])
    taxonomy = Taxonomy.load("lizard")
    made: Inputs = {f"slide {k}": (path, pixels_of) for k, path in slides(folder).items()}
    for suffix in ("png", "jpg", "webp", "bmp"):
        path = folder / f"image.{suffix}"
        cv2.imwrite(str(path), rgb[..., ::-1])
        made[f"image {suffix}"] = path, pixels_of
    np.save(folder / "image.npy", rgb)
    made["image npy"] = folder / "image.npy", pixels_of

    bundle = write_bundle(folder / "bundle")
    made["model card"] = bundle / "model.yaml", lambda path: model_of(path.parent)
    packed = shutil.make_archive(str(folder / "packed"), "zip", bundle)
    made["model zip"] = Path(packed), model_of
    unsigned = write_bundle(folder / "unsigned", files={})
    made["model network"] = unsigned / "model.onnx", network_of
    (folder / "taxonomy.yaml").write_text(dump_yaml(taxonomy.to_dict()))
    made["taxonomy"] = folder / "taxonomy.yaml", Taxonomy.load

    results = folder / "results"
    context = ExportContext("a.svs", (300, 300), 0.5, taxonomy, model="m", model_version="1")
    for stem in ("a", "b"):
        with open_writers(results, stem, ("parquet", "geojson"), context) as writers:
            writers.write(nuclei(taxonomy))
    write_cohort(results)
    made["summary"] = results / "a.summary.json", cohort_of
    made["cohort table"] = results / "cohort.csv", cohort_of
    made["table of nuclei"] = (
        results / "a.parquet",
        lambda path: (
            read_parquet(path),
            add_features(path, folder / "measured", ["shape", "neighbours"], overwrite=True),
        ),
    )
    drawn = {"type": "Polygon", "coordinates": [[[5, 5], [200, 5], [200, 200], [5, 5]]]}
    (folder / "drawn.geojson").write_text(json.dumps(drawn))
    slide = ArraySlide(rgb, 0.5)
    made["areas"] = folder / "drawn.geojson", lambda path: area_of(slide, 0.5, None, path)

    journal = Journal(folder / "journal", {"a": 1}, taxonomy, 0.5)
    journal.put(0, nuclei(taxonomy), BlockReport(1.0))

    def resumed(path: Path) -> None:
        again = Journal(path.parent, {"a": 1}, taxonomy, 0.5)
        again.remove_damaged()
        for index in again.done():
            again.get(index)

    made["journal"] = folder / "journal" / "0.arrow", resumed
    data = shutil.copytree(ROOT / "tests" / "data" / "nucls_tiles", folder / "tiles")
    made["split"] = data / "split.json", read_split
    labels = sorted((data / "labels").glob("*.png"))[0]
    made["labels"] = labels, samples_of
    made["evaluation"] = folder / "evaluation.json", read_evaluation
    truth = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((8, 8), int))
    classes = np.ones(17, int)
    made |= annotations(folder / "annotations")
    pair = Pair(truth, np.where(truth < 9, truth, 0), classes, classes, name="a", source="a")
    scored = score_pairs([pair], "pannuke", Taxonomy.load("nucleus"), 0.5)
    (folder / "evaluation.json").write_text(json.dumps(to_json(scored)))
    return made


def annotations(folder: Path) -> Inputs:
    """A label file of every layout of datasets, and a file of every format of predictions."""
    from annotated_sets import WRITERS, make_sample, make_set
    from dataset_layouts import CASES
    from dataset_pictures import pictures

    made: Inputs = {}
    for name, case in CASES.items():
        root = folder / "datasets" / name
        case.write(root, pictures(case))
        if case.files:
            path = sorted(root.glob(case.labels))[0]
            made[f"labels of {name}"] = path, lambda _, n=name, r=root: list(open_dataset(r, n))
    samples = [make_sample(f"image_{k}", seed=k) for k in range(2)]
    truth = make_set(folder / "truth", samples)
    for name, write in WRITERS.items():
        root = write(folder / "predictions" / name, samples)
        path = root if root.is_file() else max(root.iterdir(), key=lambda p: p.stat().st_size)

        def scored(_: Path, root: Path = root) -> None:
            evaluate_predictions(truth, open_predictions(root, truth))

        made[f"predictions {name}"] = path, scored
    return made


def read_once(path: Path, read: Callable[[Path], object]) -> int:
    """Read an input; the place of its end in ENDS."""
    warnings.simplefilter("ignore")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read(path)
        end = 0
    except KaryoscopeError as error:
        end = 1 if "\n" not in str(error) else 2
    except OSError:
        if read is not pixels_of:  # of slides, `segment` makes these one line
            traceback.print_exc()
        end = 1 if read is pixels_of else 2
    except BaseException:
        traceback.print_exc()
        end = 2
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    return 3 if grown > GROWTH else end


def end_of(path: Path, read: Callable[[Path], object]) -> str:
    """How a process that reads the input ends."""

    def run() -> int:
        # Beyond this an allocation fails at once, as on a machine that is full.
        limit = 16 << 30
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return read_once(path, read)

    return end_of_child(run, ENDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=3000, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", help="only this kind; repeatable")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that end badly")
    parser.add_argument("--resume", type=Path, help="JSON file of the kinds that are done")
    arguments = parser.parse_args()
    recorded: dict[str, dict[str, int]] = {}
    if arguments.resume and arguments.resume.exists():
        recorded = json.loads(arguments.resume.read_text("utf-8"))
    folder = Path(tempfile.mkdtemp(prefix="karyoscope-mutated-"))
    total: Counter[str] = Counter()
    try:
        made = inputs(folder)
        made = {k: made[k] for k in arguments.kind} if arguments.kind else made
        for kind, (path, read) in made.items():
            if kind in recorded:
                total += Counter(recorded[kind])
                continue
            ends: Counter[str] = Counter()
            chance = random.Random(f"{arguments.seed} {kind}")
            if end_of(path, read) != "read":
                raise SystemExit(f"{kind}: it cannot be read as it is")
            for number in range(-(-arguments.inputs // len(made))):
                sound = path.read_bytes()
                changed = mutated(sound, chance)
                path.write_bytes(changed)
                end = end_of(path, read)
                ends[end] += 1
                if end not in ("read", "refused") and arguments.keep:
                    arguments.keep.mkdir(parents=True, exist_ok=True)
                    name = f"{kind.replace(' ', '-')}-{number}-{end}{path.suffix}"
                    (arguments.keep / name).write_bytes(changed)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(sound)
            print(f"{kind}: {dict(ends)}", flush=True)
            total += ends
            if arguments.resume:
                recorded[kind] = dict(ends)
                arguments.resume.write_text(json.dumps(recorded))
        print(f"all {total.total()}: {dict(total)}")
    finally:
        shutil.rmtree(folder)
    if total.total() != total["read"] + total["refused"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
