"""The card of a model for people: a page of Markdown from what its bundle says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from karyoscope.inference.bundle import ModelCard

_SCORES = {"pq": "PQ", "dq": "DQ", "sq": "SQ", "mpq_plus": "mPQ+", "r2": "R²"}


def readme_of(card: ModelCard) -> str:
    """The page of a model.

    Parameters
    ----------
    card : ModelCard

    Returns
    -------
    str
        Markdown: what it finds, what it was trained on, how it scored, what it is not for.
    """
    parts = [f"# {card.name}", card.description or "A model that outlines and classifies nuclei."]
    parts.append(_facts(card))
    for title, text in (
        ("Training data", _data(card)),
        ("Training", _training(card.training)),
        ("Scores", _scores(card.scores)),
        ("Limits", _limits(card)),
    ):
        parts.append(f"## {title}\n\n{text}")
    return "\n\n".join(parts) + "\n"


def learned_on(card: ModelCard) -> str:
    """Where a model learned its classes and outlines, in one line; empty where nothing says."""
    if not card.classes_learned_on:
        return ""
    outlines = card.outlines_learned_on
    return f"classes: {card.classes_learned_on}" + (f"; outlines: {outlines}" if outlines else "")


def model_notes(card: ModelCard) -> tuple[str, ...]:
    """What the reader of a slide's result should know of the model, for summary and report."""
    if not card.classes_learned_on:
        return ()
    note = f"the classes of {card.name} were learned on {card.classes_learned_on}"
    if card.outlines_learned_on:
        note += f", its outlines on {card.outlines_learned_on}"
    return (note,)


def _table(rows: Sequence[Sequence[Any]], header: Sequence[str]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _facts(card: ModelCard) -> str:
    names = [str(c["name"]) for c in card.taxonomy.get("classes", [])]
    rows = [
        ("version", card.version),
        ("scale", f"{card.mpp:g} µm/px"),
        ("classes", ", ".join(names)),
        ("learned on", learned_on(card)),
        ("network", card.network.name),
        ("post-processing", card.postprocessing.name),
        ("licence", card.licence),
    ]
    return _table([row for row in rows if row[1]], ("", ""))


def _data(card: ModelCard) -> str:
    data = card.training.get("data") or []
    sources = [source for source in data if isinstance(source, Mapping)]
    if not sources:
        return "\n".join(f"* {line}" for line in data) or "Not stated."
    classes = list(dict.fromkeys(name for s in sources for name in s.get("nuclei") or {}))
    rows = [
        [
            source.get("name"),
            source.get("layout", ""),
            _scale(source.get("mpp")),
            source.get("images", ""),
            *((source.get("nuclei") or {}).get(name, 0) for name in classes),
        ]
        for source in sources
    ]
    text = _table(rows, ("data", "layout", "µm/px", "images", *classes))
    for part in ("validation", "test"):
        names = card.training.get(part) or []
        if names:
            text += f"\n\nKept out as {part}: {len(names)} images ({', '.join(map(str, names))})."
    return text


def _training(training: Mapping[str, Any]) -> str:
    lines = []
    step = training.get("step") or training.get("steps")
    if step:
        lines.append(f"{step} steps of {training.get('batch_size', '?')} tiles.")
    for parent in training.get("parents") or []:
        lines.append(f"Started from {parent['name']} {parent['version']}.".replace(" .", "."))
        classes = parent.get("classes") or {}
        known = [f"{name} from {' and '.join(rows)}" for name, rows in classes.items() if rows]
        new = [name for name, rows in classes.items() if not rows]
        if known:
            lines.append(f"Classes that began with its weights: {', '.join(known)}.")
        if new:
            lines.append(f"Classes that are new: {', '.join(new)}.")
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
    name = _SCORES.get(by, by)
    return [f"{text}, chosen by {name} on the validation images ({', '.join(compared)})."]


def _scores(scores: Mapping[str, Any]) -> str:
    entries = {k: v for k, v in scores.items() if isinstance(v, Mapping) and _SCORES.keys() & v}
    if not entries:
        return "Not measured. `karyoscope evaluate --model BUNDLE --truth DATA` measures them."
    columns = [name for name in _SCORES if any(name in entry for entry in entries.values())]
    rows = []
    for title, entry in entries.items():
        images = entry.get("images", "")
        rows.append([title, images, *(_interval(entry.get(name)) for name in columns)])
    text = _table(rows, ("scored", "images", *(_SCORES[name] for name in columns)))
    text += "\n\nIn brackets: 95 % intervals over source images."
    if any("tuned_on" in entry for entry in entries.values()):
        text += (
            " On images that the parameters were tuned on, scores are too high: what counts is a"
            " score on images that were neither trained nor tuned on."
        )
    return text


def _interval(value: Any) -> str:
    if isinstance(value, Mapping):
        score, low, high = (value.get(k) for k in ("score", "low", "high"))
        if score is None:
            return ""
        bounds = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
        return f"{score:.3f}{bounds}"
    return f"{value:.3f}" if isinstance(value, int | float) else ""


def _limits(card: ModelCard) -> str:
    lines = ["Not for diagnosis, and not for stains other than those it was trained on."]
    if card.classes_learned_on:
        lines.append(
            f"Its classes were learned on {card.classes_learned_on}: elsewhere outlines are"
            " usually sensible, and classes are not to be trusted unless they were checked."
        )
    return " ".join(lines)


def _scale(mpp: Any) -> str:
    return f"{mpp:g}" if isinstance(mpp, int | float) else ""
