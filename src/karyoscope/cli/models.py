"""``karyoscope models``: what is shipped."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from karyoscope.inference import find_bundle, shipped_models

app = typer.Typer()


@app.command()
def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """List the models that come with the package."""
    cards = [find_bundle(name).card for name in shipped_models()]
    if as_json:
        keys = {"name", "version", "description", "licence", "mpp", "taxonomy", "scores"}
        print(json.dumps([card.model_dump(include=keys) for card in cards], indent=2))
        return
    for card in cards:
        print(f"{card.name} {card.version}: {card.description}")
        print(f"  classes  {', '.join(c['name'] for c in card.taxonomy['classes'])}")
        print(f"  scale    {card.mpp:g} µm/px")
        print(f"  licence  {card.licence}")
