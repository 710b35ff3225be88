"""How steadily nuclei are found: the same ones, of the same classes, in a changed image?

    python benchmarks/stability.py                                     # the shipped model
    python benchmarks/stability.py --model lizard --model runs/new/bundle --tta 1 8
    python benchmarks/stability.py --model runs/new/bundle --write docs/results.md

Each cell is the F1 (IoU > 0.5) between the nuclei of an image and those of its changed copy, and
the share of the pairs that keep their class; changes of one kind are pooled. No annotation is
looked at. ``--write`` puts the rows into the table of a page, in the place of those of the same
name; ``--into-card`` writes them into the card of the bundle ``--model``, a folder.
``--peer instanseg.pt`` sets InstanSeg beside (see ``peer_instanseg.py``; needs torch).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.datasets import open_dataset
from karyoscope.datasets.split import read_split
from karyoscope.evaluation import Prediction
from karyoscope.evaluation.card_scores import bundle_folder, write_measured
from karyoscope.evaluation.changes import CHANGES
from karyoscope.evaluation.stability import margin_for, pool_groups, stability
from karyoscope.evaluation.steadiness import (
    choose_images,
    segmenter,
    steadiness_of,
    windows_of,
)
from karyoscope.inference import load_model

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data" / "lizard"
SPLIT = ROOT / "src" / "karyoscope" / "recipes" / "lizard.split.json"
MARKS = ("<!-- steadiness: begin -->", "<!-- steadiness: end -->")

Segment = Callable[[np.ndarray], Prediction]


def of_peer(weights: Path) -> Segment:
    import torch

    from peer_instanseg import labels_of

    model = torch.jit.load(weights, map_location="cpu").eval()
    return lambda rgb: Prediction(labels_of(model, rgb), None)


def runners(arguments: argparse.Namespace, mpp: float) -> Iterator[tuple[str, Segment]]:
    """What is measured, by the name of its row."""
    for source in arguments.model or ["lizard"]:
        for views in arguments.tta:
            model = load_model(source, arguments.device, arguments.workers, views)
            name = f"{model.name} {model.bundle.card.version}"
            if source != model.name:
                name += f" ({Path(source).name})"
            yield name + (f", `--tta {views}`" if views > 1 else ""), segmenter(model, mpp)
    if arguments.peer:
        if mpp != 0.5:
            raise SystemExit(f"InstanSeg wants 0.5 µm/px; these images have {mpp:g}")
        yield "InstanSeg", of_peer(arguments.peer)


def table_row(name: str, result: dict[str, dict[str, Any]]) -> str:
    cells = [name]
    for group in pool_groups(result).values():
        shares = (group["f1"], group["class_kept"])
        cells.append(" / ".join("–" if share is None else f"{share:.3f}" for share in shares))
    return f"| {' | '.join(cells)} |"


def merge_rows(table: list[str], rows: list[str]) -> list[str]:
    """Rows of a table with others in the place of those of the same name, or at the end."""
    by_name = {row.split("|")[1].strip(): row for row in [*table, *rows]}
    return list(by_name.values())


def write_into(page: Path, head: list[str], rows: list[str]) -> None:
    """Put the rows between the marks of a page."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    table, end, after = rest.partition(MARKS[1])
    if not end:
        raise SystemExit(f"{page} has no place for the table: {' ... '.join(MARKS)}")
    lines = [*head, *merge_rows(table.strip().splitlines()[len(head) :], rows)]
    text = "\n".join([before + begin, *lines, end + after])
    page.write_text(text, encoding="utf-8")


def command_of(arguments: argparse.Namespace) -> str:
    """The command that chooses these images; paths are shortened to their last part."""
    words = ["python benchmarks/stability.py --model BUNDLE"]
    for name, default in (("data", None), ("split", None), ("part", "validation"), ("images", "6")):
        value = getattr(arguments, name)
        if value != default:
            words.append(f"--{name} {value.name if isinstance(value, Path) else value}")
    return " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", action="append", help="a name or a bundle; may be repeated")
    parser.add_argument("--tta", type=int, nargs="+", default=[1], help="views, a row for each")
    parser.add_argument("--peer", type=Path, help="InstanSeg's TorchScript file")
    parser.add_argument("--data", type=Path, help="annotated images; Lizard by default")
    parser.add_argument("--split", type=Path, help="without --data, that of the shipped model")
    parser.add_argument("--part", default="validation")
    parser.add_argument("--images", default="6", help="how many, or names with commas between")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=0, help="threads of the CPU; 0 for all")
    parser.add_argument("--json", type=Path, help="write the figures of each change here")
    parser.add_argument("--write", type=Path, help="a page that has a place for the table")
    parser.add_argument(
        "--into-card", action="store_true", help="write it into the card of the bundle --model"
    )
    arguments = parser.parse_args()
    if arguments.into_card:
        if len(arguments.model or []) != 1 or arguments.tta != [1] or arguments.peer:
            parser.error("--into-card is for one --model, in one view and without --peer")
        try:
            bundle_folder(arguments.model[0])
        except KaryoscopeError as error:
            raise SystemExit(str(error)) from error

    split = arguments.split or (None if arguments.data else SPLIT)
    dataset = open_dataset(arguments.data or DATA)
    names = {record.name for record in dataset.records}
    if split:
        names = set(read_split(split).parts[arguments.part])
    listed = None if arguments.images.isdigit() else set(arguments.images.split(","))
    samples = choose_images(
        dataset,
        names if listed is None else listed,
        int(arguments.images) if listed is None else None,
    )
    images, mpp = windows_of(samples)
    margin = margin_for(CHANGES)
    for sample, image in zip(samples, images, strict=True):
        print(sample.record.name, *(e - 2 * margin for e in image.shape[:2]), file=sys.stderr)

    groups = list(dict.fromkeys(change.group for change in CHANGES))
    head = [f"| {' | '.join(['found again / class kept', *groups])} |"]
    head.append(f"|{' --- |' * (len(groups) + 1)}")
    print("\n".join(head))
    found, rows = {}, []
    for name, run in runners(arguments, mpp):
        start = time.perf_counter()
        found[name] = stability(run, images)
        rows.append(table_row(name, found[name]))
        print(rows[-1], flush=True)
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    if arguments.json:
        about = {"images": [sample.record.name for sample in samples], "models": found}
        arguments.json.write_text(json.dumps(about, indent=2))
    if arguments.into_card:
        data = (arguments.data or DATA).resolve().name + (f", {arguments.part}" if split else "")
        about = {"data": data, "command": command_of(arguments)}
        (measured,) = found.values()
        today = datetime.now(UTC).date().isoformat()
        entry = steadiness_of(measured, samples, **about, date=today)
        write_measured(arguments.model[0], steadiness=entry)
    if arguments.write:
        write_into(arguments.write, head, rows)


if __name__ == "__main__":
    main()
