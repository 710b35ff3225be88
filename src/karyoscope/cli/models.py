"""``karyoscope models``: the shipped models, or descriptions of bundles."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from karyoscope.inference import Bundle, Ensemble, find_bundle, shipped_models
from karyoscope.inference.card_tables import score_line, steadiness_line
from karyoscope.inference.readme import learned_on

app = typer.Typer()


@app.command()
def models(
    bundles: Annotated[
        list[str] | None,
        typer.Argument(
            help="Bundles to describe (`A,B`: the mean of two); by default the shipped models."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """List the shipped models, or describe bundles and ensembles."""
    found = [find_bundle(name) for name in bundles or shipped_models()]
    if as_json:
        print(json.dumps([bundle.to_dict() for bundle in found], indent=2))
        return
    for bundle in found:
        _describe(bundle)


def _describe(bundle: Bundle) -> None:
    card = bundle.card
    print(f"{card.name} {card.version}: {card.description}")
    for member in bundle.members if isinstance(bundle, Ensemble) else ():
        print(f"  member   {member.card.name} {member.card.version}")
    print(f"  classes  {', '.join(bundle.taxonomy.names)}")
    if learned_on(card):
        print(f"  learned  {learned_on(card)}")
    print(f"  scale    {card.mpp:g} µm/px")
    print(f"  licence  {card.licence}")
    for label, line in (
        ("scores ", score_line(card)),
        ("robust ", steadiness_line(card.steadiness)),
    ):
        if line:
            print(f"  {label}  {line}")
    if card.counting is not None:
        print("  counts   with separate post-processing parameters")
