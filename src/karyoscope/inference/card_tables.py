"""Training data, scores and steadiness of a model card as Markdown tables and as single lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from karyoscope.inference.bundle import ModelCard, Steadiness

#: Scores that a card has, and their titles.
SCORES = {"pq": "PQ", "dq": "DQ", "sq": "SQ", "mpq_plus": "mPQ+", "r2": "R²", "aji": "AJI"}
#: Title endings that mark scores measured with other parameters than those of the bundle.
BEFORE_TUNING, EARLIER = ", before tuning", ", before it was tuned"
#: Kinds of changes as they are printed, where a card has another word.
_PRINTED = {"turns": "rotations by 90°"}

_MARKED = re.compile(r"<!-- ([a-z ]+): begin -->\n.*?<!-- \1: end -->", re.DOTALL)


def tables_of(card: ModelCard) -> dict[str, str]:
    """Texts that are generated from a card, by the name of their place in a page.

    Parameters
    ----------
    card : ModelCard

    Returns
    -------
    dict of str to str
        Markdown of ``training data``, ``training``, ``scores`` and ``steadiness``.
    """
    return {
        "training data": _data(card.training),
        "training": _training(card.training),
        "scores": _scores(card.scores, card.training),
        "steadiness": _steadiness(card.steadiness),
    }


def with_tables(page: str, card: ModelCard) -> str:
    """Put the tables of a card between the marks of a page that was written by hand.

    Parameters
    ----------
    page : str
        Markdown with lines such as ``<!-- scores: begin -->`` and ``<!-- scores: end -->``.
    card : ModelCard

    Returns
    -------
    str
        The page; one without marks, and a mark that is none of :func:`tables_of`, stay.
    """
    tables = tables_of(card)

    def replaced(found: re.Match[str]) -> str:
        name = found[1]
        if name not in tables:
            return found[0]
        return f"<!-- {name}: begin -->\n{tables[name]}\n<!-- {name}: end -->"

    return _MARKED.sub(replaced, page)


def score_line(card: ModelCard) -> str:
    """PQ with its interval and on which images, in one line; empty where a card has none.

    It is the first one that was measured with the parameters of the bundle.
    """
    for title, entry in _entries(card.scores).items():
        if "pq" in entry and not title.endswith((BEFORE_TUNING, EARLIER)):
            return f"PQ {_interval(entry['pq'])} on {title}"
    return ""


def steadiness_line(steadiness: Steadiness | None) -> str:
    """Shares of nuclei found again by kind of change, in one line; empty where not measured."""
    if steadiness is None:
        return ""
    shares = [
        f"{_PRINTED.get(group, group)} {row.found_again:.3f}"
        for group, row in steadiness.changes.items()
        if row.found_again is not None
    ]
    return ", ".join(shares)


def table(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _data(training: Mapping[str, Any]) -> str:
    data = training.get("data") or []
    sources = [source for source in data if isinstance(source, Mapping)]
    if not sources:
        return "\n".join(f"* {line}" for line in data) or "Not stated."
    classes = list(dict.fromkeys(name for s in sources for name in s.get("nuclei") or {}))
    rows = [
        [
            source.get("name"),
            source.get("layout", ""),
            _scale(source.get("mpp")),
            _whole(source.get("images")),
            *(_whole((source.get("nuclei") or {}).get(name, 0)) for name in classes),
        ]
        for source in sources
    ]
    text = table(rows, ("data", "layout", "µm/px", "images", *classes))
    if {"several", "unclassified"} & {*classes}:
        text += (
            "\n\nNuclei by class of the model: `several` may be of more than one of its classes,"
            " `unclassified` of any of them or of none."
        )
    for title, key in (("tissue", "tissues"), ("class as annotated", "annotated")):
        listed = [[s.get("name"), *row] for s in sources for row in _rows(s.get(key))]
        if listed:
            text += "\n\n" + table(listed, ("data", title, *_heads(sources, key)))
    for source in sources:
        for name, number in (source.get("ignored") or {}).items():
            text += f"\n\nLeft out of {source.get('name')}: {_whole(number)} nuclei of {name}."
    for part in ("validation", "test"):
        names = training.get(part) or []
        if names:
            text += f"\n\nKept out as {part}: {len(names)} images ({', '.join(map(str, names))})."
    for source in sources:
        names = source.get("held_out") or []
        if names and {*names} != {*(training.get("validation") or []), *training.get("test", [])}:
            text += f"\n\nHeld out of {source.get('name')}: {len(names)} images"
            text += f" ({', '.join(map(str, names))})."
    return text


def _rows(values: Any) -> list[list[str]]:
    """Rows of a mapping: by tissue images and nuclei, or by class a count."""
    if not isinstance(values, Mapping):
        return []
    return [
        [name, *(_whole(n) for n in (row.values() if isinstance(row, Mapping) else [row]))]
        for name, row in values.items()
    ]


def _heads(sources: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    for source in sources:
        for row in (source.get(key) or {}).values():
            return list(row) if isinstance(row, Mapping) else ["nuclei"]
    return []


def _training(training: Mapping[str, Any]) -> str:
    lines = []
    step = training.get("step") or training.get("steps")
    if step:
        lines.append(f"{_whole(step)} steps of {training.get('batch_size', '?')} tiles.")
    if training.get("schedule"):
        lines.append(f"Schedule: {training['schedule']}.")
    for parent in training.get("parents") or []:
        lines.append(f"Started from {parent['name']} {parent['version']}.".replace(" .", "."))
        classes = parent.get("classes") or {}
        known = [f"{name} from {' and '.join(rows)}" for name, rows in classes.items() if rows]
        new = [name for name, rows in classes.items() if not rows]
        if known:
            lines.append(f"Classes that began with its weights: {', '.join(known)}.")
        if new:
            lines.append(f"Classes that are new: {', '.join(new)}.")
    if training.get("encoder_start"):
        lines.append(f"The encoder began with {training['encoder_start']}.")
    for teacher in training.get("teachers") or []:
        named = f"{teacher['name']} {teacher.get('version', '')}".strip()
        lines.append(f"Also taught by the predictions of {named}.")
    lines += _kept(training.get("keep_parent") or {})
    versions = training.get("versions") or {}
    if versions:
        lines.append("Versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()) + ".")
    return " ".join(lines) or "Not stated."


def _kept(kept: Mapping[str, Any]) -> list[str]:
    """Sentences on how much of the parent's weights the model has."""
    if "share" not in kept:
        return []
    text = f"Its weights are {kept['share']:g} of the parent's and {1 - kept['share']:g} of those"
    text += " that training made of them"
    by, scores = kept.get("chosen_by"), kept.get("scores") or {}
    if not by:
        return [text + "."]
    compared = [f"{share}: {s[by]:.3f}" for share, s in scores.items() if s.get(by) is not None]
    name = SCORES.get(by, by)
    return [f"{text}, chosen by {name} on the validation images ({', '.join(compared)})."]


def _entries(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {k: v for k, v in scores.items() if isinstance(v, Mapping) and SCORES.keys() & v}


def _scores(scores: Mapping[str, Any], training: Mapping[str, Any]) -> str:
    entries = _entries(scores)
    if not entries:
        return "Not measured. `karyoscope evaluate --model BUNDLE --truth DATA` measures them."
    columns = [name for name in SCORES if any(name in entry for entry in entries.values())]
    about = [key for key in ("protocol", "images") if any(key in e for e in entries.values())]
    rows = [
        [
            title,
            *(entry.get(key, "") for key in about),
            *(_interval(entry.get(name)) for name in columns),
        ]
        for title, entry in entries.items()
    ]
    text = table(rows, ("scored", *about, *(SCORES[name] for name in columns)))
    by_class: dict[tuple[str, ...], list[list[str]]] = {}
    for title, entry in entries.items():
        found = entry.get("class_pq")
        if isinstance(found, Mapping) and found:
            row = [title, *(_interval(value) for value in found.values())]
            by_class.setdefault(tuple(found), []).append(row)
    for names, rows in by_class.items():
        text += "\n\n" + table(rows, ("PQ by class", *names))
    if by_class:
        text += (
            "\n\nPQ by class pools the nuclei of all images; by the protocol `hovernet`, the PQ"
            " above is the mean over images."
        )
    text += "\n\nIn brackets: 95 % intervals over source images."
    if any("tuned_on" in entry for entry in entries.values()):
        text += (
            " On images that the parameters were tuned on, scores are too high: what counts is a"
            " score on images that were neither trained nor tuned on."
        )
    if training.get("tuned_on"):
        text += f" Tuned on {training['tuned_on']}."
    return text


def _steadiness(steadiness: Steadiness | None) -> str:
    if steadiness is None:
        return "Not measured. `python benchmarks/stability.py --model BUNDLE --into-card` does."
    rows = [
        [group, _share(row.found_again), _share(row.class_kept)]
        for group, row in steadiness.changes.items()
    ]
    text = table(rows, ("change of the image", "nuclei found again (F1)", "class kept"))
    return (
        f"{text}\n\nMeasured on {len(steadiness.images)} images"
        f" ({', '.join(steadiness.images)}): nuclei of the image and of its changed copy are"
        " matched at IoU > 0.5, but for those within 32 px of the edge; no annotation is read."
        " Turns are by 90, 180 and 270°, flips in both directions; brightness changes by 10 %, as"
        " does the amount of haematoxylin or of eosin (stain); JPEG is of quality 70."
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(value: Any) -> str:
    if isinstance(value, Mapping):
        score, low, high = (value.get(k) for k in ("score", "low", "high"))
        if score is None:
            return ""
        bounds = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
        return f"{score:.3f}{bounds}"
    return f"{value:.3f}" if isinstance(value, int | float) else ""


def _scale(mpp: Any) -> str:
    return f"{mpp:g}" if isinstance(mpp, int | float) else ""


def _whole(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)
