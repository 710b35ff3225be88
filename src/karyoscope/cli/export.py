"""``karyoscope export``: from a training run to a model bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from karyoscope.core.errors import KaryoscopeError

app = typer.Typer()


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder that `karyoscope train` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; replaced as a whole.")],
    checkpoint: Annotated[str, typer.Option(help="Which checkpoint of the run.")] = "last.ckpt",
    card: Annotated[
        Path | None, typer.Option(help="Model card for people (Markdown), for the bundle.")
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Quantise decoder and heads, calibrated on training images: faster."
        ),
    ] = False,
) -> None:
    """Write the model bundle of a training run. Needs `pip install karyoscope[train]`."""
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "lightning", "onnx", *(["onnxruntime"] if int8 else []))
    from karyoscope.training.export import export_bundle

    text = None
    if card is not None:
        try:
            text = card.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise KaryoscopeError(f"{card} is not a readable text file") from error
    print(export_bundle(run, out, checkpoint, readme=text, int8=int8))
