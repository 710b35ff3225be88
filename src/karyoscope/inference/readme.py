"""The card of a model for people: a page of Markdown from what its bundle says."""

from __future__ import annotations

from karyoscope.inference.bundle import ModelCard
from karyoscope.inference.card_tables import table, tables_of


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
    tables = tables_of(card)
    parts = [f"# {card.name}", card.description or "A model that outlines and classifies nuclei."]
    parts.append(_facts(card))
    for title, text in (
        ("Training data", tables["training data"]),
        ("Training", tables["training"]),
        ("Scores", tables["scores"]),
        *([("Steadiness", tables["steadiness"])] if card.steadiness is not None else []),
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
    return table([row for row in rows if row[1]], ("", ""))


def _limits(card: ModelCard) -> str:
    lines = ["Not for diagnosis, and not for stains other than those it was trained on."]
    if card.classes_learned_on:
        lines.append(
            f"Its classes were learned on {card.classes_learned_on}: elsewhere outlines are"
            " usually sensible, and classes are not to be trusted unless they were checked."
        )
    return " ".join(lines)
