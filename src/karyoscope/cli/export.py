"""``karyoscope export``: from a training run to a model bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Folder that `karyoscope train` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle; replaced as a whole.")],
) -> None:
    """Write the model bundle of a training run. Needs `pip install karyoscope[train]`."""
    from karyoscope.cli._extras import require

    require("train", "torch", "timm", "lightning", "onnx")
    from karyoscope.training.export import export_bundle

    print(export_bundle(run, out))
