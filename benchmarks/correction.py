"""One round of correction: ranked tiles against random ones, with the labels as the correction.

Annotated images stand for slides that nobody has annotated yet. The start model ranks tiles of the
pool; the labels of the first ones are taken as what a person would have drawn, collected as
reviewed regions, and the model is fine-tuned on them. Random tiles of the same pool get the same
recipe, seed and steps. Sources are kept apart: pool, validation and test are other images.

    python benchmarks/correction.py ../shared/data/consep --out correction
        --names train_1,train_2,... --classes consep4 --shares 0,0.25,0.5,choose

``--shares`` scores each training with several shares of the parent's weights (``karyoscope export
--keep-parent``); ``choose`` is what validation chooses. A parent that has not seen the images is
the fair one: version 2 of ``lizard`` (``git show 51d5fd9:src/karyoscope/models/lizard/...``).

Every run that is done is kept in ``--out`` and not repeated.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import open_dataset
from karyoscope.datasets.from_paths import convert_images
from karyoscope.datasets.split import Split, write_split
from karyoscope.evaluation import ScoringOptions, evaluate, read_evaluation
from karyoscope.evaluation.correction import RankedTile, collect, rank_tiles
from karyoscope.inference import load_model

Place = tuple[str, int, int, int, int]


def main() -> None:
    """Make the runs that are missing, then print the table."""
    given = _arguments()
    args = given.parse_args()
    names = args.names.split(",")
    out = args.out
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "slides").exists():
        dataset = open_dataset(args.truth)
        dataset.records = [record for record in dataset.records if record.name in names]
        convert_images(dataset, "geojson", out / "slides", merge=args.classes)
    for seed in range(args.seeds):
        turned = names[seed * args.test :] + names[: seed * args.test]
        test, kept, pool = turned[: args.test], turned[args.test], turned[args.test + 1 :]
        here = out / f"seed{seed}"
        here.mkdir(exist_ok=True)
        _score(args.start, args, test, here / "start")
        for arm, tiles in _arms(args, here, pool, seed).items():
            if arm not in args.arms:
                continue
            for count in args.counts:
                done = here / f"{arm}-{count}"
                if not (done / "run" / "weights.safetensors").exists():
                    _run(args, done, tiles[:count], kept, seed)
                for share in args.shares:
                    _score_share(args, done, share, test)
        _report(out, args)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("truth", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--names", required=True, help="images, with commas")
    parser.add_argument("--classes", default="consep4")
    parser.add_argument("--start", default="lizard", help="model that ranks, and is fine-tuned")
    parser.add_argument("--arms", type=lambda t: t.split(","), default=["random", "ranked"])
    parser.add_argument("--mpp", type=float, default=0.25)
    parser.add_argument("--tile-um", type=float, default=64.0)
    parser.add_argument("--counts", type=lambda t: [int(n) for n in t.split(",")], default=[4, 8])
    parser.add_argument("--test", type=int, default=4, help="images to test on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--set", nargs="*", default=[], help="changes of the recipe")
    parser.add_argument(
        "--shares",
        type=lambda t: t.split(","),
        default=["0"],
        help="shares of the parent's weights to score, with commas; choose: as validation says",
    )
    parser.add_argument("--threads", type=int, default=1)
    return parser


def _slide(out: Path, name: str) -> Path:
    return next(p for p in (out / "slides").rglob(f"{name}.*") if p.suffix in (".png", ".tif"))


def _arms(
    args: argparse.Namespace, here: Path, pool: list[str], seed: int
) -> dict[str, list[Place]]:
    """The tiles of both arms, kept in a file."""
    file = here / "tiles.json"
    if not file.exists():
        model, views = (load_model(args.start, "cpu", args.threads, tta) for tta in (1, 4))
        slides = [_slide(args.out, name) for name in pool]
        ranked, _ = rank_tiles(
            slides, model, views, count=max(args.counts), tile_um=args.tile_um, mpp=args.mpp
        )
        every, _ = rank_tiles(slides, model, views, count=10**6, tile_um=args.tile_um, mpp=args.mpp)
        whole = [t for t in every if t.width == t.height == round(args.tile_um / args.mpp)]
        chosen = np.random.default_rng(seed).choice(len(whole), max(args.counts), replace=False)
        both = {"ranked": ranked, "random": [whole[i] for i in chosen]}
        file.write_text(json.dumps({arm: [_place(t) for t in t_] for arm, t_ in both.items()}))
    return {
        arm: [tuple(p) for p in places]
        for arm, places in json.loads(file.read_text("utf-8")).items()
    }


def _place(tile: RankedTile) -> Place:
    return Path(tile.slide).stem, tile.x, tile.y, tile.width, tile.height


def _run(args: argparse.Namespace, done: Path, tiles: list[Place], kept: str, seed: int) -> None:
    """Collect the tiles and one of the image that is kept to validate on, and train."""
    import torch

    from karyoscope.training import train
    from karyoscope.training.source import RecipeSource, recipe_of

    torch.set_num_threads(args.threads)
    done.mkdir(exist_ok=True)
    edge = round(args.tile_um / args.mpp)
    corrected = done / "corrected"
    corrected.mkdir(exist_ok=True)
    for name in sorted({name for name, *_ in tiles} | {kept}):
        boxes = [p[1:] for p in tiles if p[0] == name] or [(0, 0, edge, edge)]
        _review(args.out, name, boxes, corrected)
    found = collect(
        sorted(corrected.glob("*.geojson")),
        done / "set",
        slides=_slide(args.out, kept).parent,
        mpp=args.mpp,
        classes=args.classes,
        overwrite=True,
    )
    dataset = open_dataset(done / "set")
    parts = {
        "train": [r.name for r in dataset.records if r.source != kept],
        "validation": [r.name for r in dataset.records if r.source == kept],
    }
    split = done / "split.json"
    write_split(Split(parts, dict.fromkeys(parts, 0.5), 0, {}), split)
    changes = [f"training.seed={seed}", "training.tile=128", "training.precision=fp32"]
    if "choose" in args.shares:
        changes += ["training.keep_parent=choose"]
    changes += args.set
    source = RecipeSource(data=done / "set", start=args.start, split=split)
    recipe = recipe_of(source, done / "run", changes, steps=args.steps)
    train(recipe, done / "run", device="cpu")
    (done / "work.json").write_text(json.dumps({"tiles": len(tiles), "nuclei": found.nuclei}))


def _score_share(args: argparse.Namespace, done: Path, share: str, test: list[str]) -> None:
    """Score a training with a share of its parent's weights."""
    from karyoscope.training.bundle import export_bundle

    scores = done / f"share-{share}"
    if (scores / "evaluation.json").exists():
        return
    given = None if share == "choose" else float(share)
    bundle = export_bundle(done / "run", done / "bundle", "last.ckpt", keep_parent=given)
    _score(str(bundle), args, test, scores)


def _review(out: Path, name: str, boxes: list[tuple[int, ...]], corrected: Path) -> None:
    """The labels of an image as a person's corrections, with rectangles that were reviewed."""
    source = _slide(out, name).with_suffix(".geojson")
    data = json.loads(source.read_text("utf-8"))
    for x, y, width, height in boxes:
        right, low = x + width, y + height
        ring = [[x, y], [right, y], [right, low], [x, low], [x, y]]
        data["features"].append(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {"classification": {"name": "Reviewed"}},
            }
        )
    (corrected / source.name).write_text(json.dumps(data))


def _score(model: str, args: argparse.Namespace, test: list[str], done: Path) -> None:
    done.mkdir(exist_ok=True)
    if (done / "evaluation.json").exists():
        return
    dataset = open_dataset(args.out / "slides")
    classes = Taxonomy.load(args.classes)
    result = evaluate(
        dataset,
        model=load_model(model, "cpu", args.threads),
        options=ScoringOptions(records=test, patches=0),
    )
    assert result.evaluation.taxonomy is not None
    assert result.evaluation.taxonomy.names == classes.names
    (done / "evaluation.json").write_text(json.dumps(result.to_dict()))


def _report(out: Path, args: argparse.Namespace) -> None:
    """Scores of every run, and of all test images together: each is in one seed's test."""
    runs = [f"{arm}-{n}" for n in args.counts for arm in args.arms]
    arms = ["start", *(f"{run}/share-{share}" for run in runs for share in args.shares)]
    pooled = {}
    for arm in arms:
        found = [
            read_evaluation(p.parent) for p in sorted(out.glob(f"seed*/{arm}/evaluation.json"))
        ]
        for metric in ("pq", "mpq_plus"):
            print(f"{arm:22} {metric:8}", *(f"{e[metric]:.3f}" for e in found))
        if len(found) == args.seeds:
            pooled[arm] = found[0]
            for more in found[1:]:
                pooled[arm].merge(more)
            inside = pooled[arm].intervals()
            for metric in ("pq", "mpq_plus"):
                i = inside[metric]
                print(f"{arm:22} {metric:8} all {pooled[arm][metric]:.3f}", i)
    for n in args.counts:
        for share in args.shares:
            ranked, random = (f"{arm}-{n}/share-{share}" for arm in ("ranked", "random"))
            if ranked in pooled and random in pooled:
                difference = pooled[random].difference(pooled[ranked])
                for metric in ("pq", "mpq_plus"):
                    print(f"ranked less random, {n} tiles, share {share}, {metric}:", end=" ")
                    print(difference[metric])


if __name__ == "__main__":
    main()
