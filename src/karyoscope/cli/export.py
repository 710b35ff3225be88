"""``karyoscope export``: from a training run to a model bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from karyoscope.core.files import read_text

app = typer.Typer()


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder that `karyoscope train` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; replaced as a whole.")],
    checkpoint: Annotated[
        str, typer.Option(help="Name of the checkpoint in the run.")
    ] = "last.ckpt",
    card: Annotated[
        Path | None,
        typer.Option(
            help="Model card (Markdown) for the bundle; the tables between lines such as"
            " <!-- scores: begin --> and <!-- scores: end --> are filled in. By default the card"
            " is generated."
        ),
    ] = None,
    keep_parent: Annotated[
        float | None,
        typer.Option(
            help="Share of the weights of the model that training started from, 0 to 1; by"
            " default what the run decided (training.keep_parent).",
            min=0,
            max=1,
        ),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Quantise decoder and heads to 8 bits, calibrated on training images, for speed.",
        ),
    ] = False,
    int8_encoder: Annotated[
        bool,
        typer.Option(
            "--int8-encoder",
            help="Also quantise the encoder, except for layers with a larger effect on the maps"
            " than those of the decoder, and layers before a residual sum. Evaluate the bundle"
            " before use.",
        ),
    ] = False,
) -> None:
    """Write the model bundle of a training run. Needs the extra `train`."""
    from karyoscope.core.optional import require

    require(
        "train",
        "torch",
        "timm",
        "lightning",
        "onnx",
        *(["onnxruntime"] if int8 or int8_encoder else []),
    )
    from karyoscope.training.bundle import export_bundle

    text = None if card is None else read_text(card)
    options = {"int8": int8, "int8_encoder": int8_encoder, "keep_parent": keep_parent}
    print(export_bundle(run, out, checkpoint, readme=text, **options))  # type: ignore[arg-type]
