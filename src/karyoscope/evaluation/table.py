"""Evaluations and comparisons as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from karyoscope.core.text import for_markup

#: Names of scores as the field writes them, in the order in which they are shown.
TITLES = {
    "pq": "PQ",
    "dq": "DQ",
    "sq": "SQ",
    "bpq": "bPQ",
    "bpq_images": "bPQ, image mean",
    "mpq": "mPQ",
    "mpq_images": "mPQ, image mean",
    "mpq_plus": "mPQ+",
    "mpq_plus_present": "mPQ+, classes present",
    "pq_pooled": "PQ, pooled",
    "r2": "R²",
    "r2_present": "R², classes present",
    "dice": "Dice",
    "dice2": "Dice2",
    "aji": "AJI",
    "aji_plus": "AJI+",
    "f_d": "F_d",
    "f_c": "F_c",
    "f_c_all": "F_c, all classes",
    "f1": "F1",
    "f1_one_to_one": "F1, one to one",
    "f1_literal": "F1, literal",
    "object_dice": "object Dice",
    "object_iou": "object IoU",
    "object_hausdorff": "object Hausdorff, px",
    "object_hausdorff_finite": "object Hausdorff, finite, px",
    "acc": "accuracy of class",
    "acc_balanced": "accuracy of class, balanced",
}
#: Those of a class, the main one of each protocol first, and those of a group.
OF_CLASS = ("f_c", "f1", "pq", "dq", "sq", "object_dice", "acc", "r2")
OF_GROUP = ("pq", "bpq", "mpq_plus", "mpq", "r2", "dice", "aji", "f_d", "f_c", "f1", "object_dice")
SHORT = {"acc": "acc", "object_dice": "Dice_obj"}
#: Nuclei of a class in all images; of patches, those in the central part that CoNIC counts.
COUNTS = {"counted_true": "true", "counted_pred": "found"}


def evaluation_table(data: dict[str, Any]) -> RenderableType:
    """Render the plain data of an outcome.

    Parameters
    ----------
    data : dict
        From :meth:`karyoscope.evaluation.Outcome.to_dict`.

    Returns
    -------
    rich renderable
        Scores with intervals, scores of classes, groups, conventions.
    """
    scored = data["scored"]
    parts: list[RenderableType] = [
        Text(f"{scored['predictions']}\nagainst {scored['truth']}: {how_many(data)}"),
        _overall(data),
    ]
    if data.get("classes"):
        parts.append(_classes(data))
    if "groups" in data:
        parts.append(_groups(data["groups"], unit(data)))
    parts.append(Text("Conventions", style="bold"))
    parts += [Padding(Text(line, style="dim"), (0, 0, 0, 2)) for line in convention_lines(data)]
    return Group(*parts)


def comparison_table(data: dict[str, Any]) -> RenderableType:
    """Render the plain data of a comparison; differences that exclude 0 are bold."""
    title = f"protocol {data['protocol']}, {data['images']} images"
    table = _table(title, "score", "A", "B", "B - A", "95 % interval")
    for name in shown(data):
        _add_difference(table, TITLES[name], data[name])
    for class_name, of_class in (data.get("classes") or {}).items():
        table.add_section()
        for name in (n for n in OF_CLASS if n in of_class):
            _add_difference(table, f"{class_name} {TITLES[name]}", of_class[name])
    return table


def convention_lines(data: dict[str, Any]) -> Iterator[str]:
    """Every convention that was used, a line each."""
    yield f"protocol: {data['protocol']} ({data['repeats']})"
    for part, rules in data["conventions"].items():
        for name, rule in rules.items():
            yield f"{part if part != 'set' else 'scored'}, {name}: {rule}"
    sources = data["scored"]["sources"]
    yield f"intervals: 95 %, bootstrap over {sources} sources, 1000 samples"


def number(value: Any, signed: bool = False, places: int = 3) -> str:
    """A score as text; a dash where it is undefined."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:{'+' if signed else ''}.{places}f}"


def interval(bounds: Any, signed: bool = False, places: int = 3) -> str:
    """An interval as text; a dash where it is undefined, as it is for a single source."""
    if not bounds or None in bounds:
        return "-"
    return " to ".join(number(bound, signed, places) for bound in bounds)


def _overall(data: dict[str, Any]) -> Table:
    table = _table(f"protocol {data['protocol']}", "score", "value", "95 % interval")
    for name in shown(data):
        table.add_row(TITLES[name], number(data[name]), interval(data["intervals"].get(name)))
    return table


def _classes(data: dict[str, Any]) -> Table:
    of_first = next(iter(data["classes"].values()))
    main, *others = (name for name in OF_CLASS if name in of_first)
    counted = [name for name in COUNTS if name in of_first]
    titles = [SHORT.get(name, TITLES[name]) for name in others]
    table = _table(
        "by class",
        *("class", TITLES[main], "95 % interval", *titles, *(COUNTS[name] for name in counted)),
    )
    for name, scores in data["classes"].items():
        table.add_row(
            for_markup(name),
            number(scores[main]),
            interval(data["intervals"]["classes"][name].get(main), places=2),
            *(number(scores[other]) for other in others),
            *(f"{scores[count]:,.0f}" for count in counted),
        )
    return table


def _groups(groups: dict[str, Any], counted: str) -> Table:
    columns = groups_columns(groups)
    table = _table(f"by {groups['by']}", groups["by"], counted, *(TITLES[c] for c in columns))
    for name, scores in groups["scores"].items():
        table.add_row(
            for_markup(name) or "-", str(scores["images"]), *(number(scores[c]) for c in columns)
        )
    return table


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(first)
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def groups_columns(groups: dict[str, Any]) -> list[str]:
    """Names of the scores by which groups are compared."""
    return [name for name in OF_GROUP if name in next(iter(groups["scores"].values()))]


def shown(data: dict[str, Any]) -> list[str]:
    """Names of the scores that there are, in the order in which they are shown."""
    return [name for name in TITLES if name in data]


def unit(data: dict[str, Any]) -> str:
    """What means are taken over: patches or images."""
    return "patches" if data["scored"]["patches"] else "images"


def how_many(data: dict[str, Any]) -> str:
    """How many images were scored, in words."""
    images = data["scored"]["images"]
    if data["images"] == images:
        return f"{images} images"
    return f"{images} images as {data['images']} patches"


def _add_difference(table: Table, title: str, row: dict[str, Any]) -> None:
    bounds = [row["low"], row["high"]]
    low, high = (b if isinstance(b, float) else 0.0 for b in bounds)
    table.add_row(
        title,
        *(number(row[of]) for of in ("first", "second")),
        number(row["difference"], True),
        interval(bounds, True),
        style="bold" if low > 0 or high < 0 else None,
    )
