"""``karyoscope synthesize``: train a mask-to-image generator, and write synthetic datasets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import Device, Style
from karyoscope.cli.shared.terminal import complain, counting_bar
from karyoscope.cli.shared.torch import prepare_torch
from karyoscope.core.optional import require
from karyoscope.datasets.convert import LAYOUTS

app = typer.Typer(
    name="synthesize",
    help="Train a mask-to-image GAN, and write synthetic image/label pairs.",
    no_args_is_help=True,
)

Seed = Annotated[int, typer.Option(help="The same seed gives the same tiles.", min=0)]
Workers = Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)]
Part = Annotated[str, typer.Option(help="Name of that part.")]
Mpp = Annotated[
    float | None, typer.Option(help="Micrometres per pixel of the real images, if it is not known.")
]
Classes = Annotated[
    str | None, typer.Option(help="Taxonomy (name or file) of real images without one.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("train")
def train_command(
    source: Annotated[
        Path, typer.Argument(help="Recipe (smile, or a YAML file), or a folder of images.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the generator, checkpoints and logs.")],
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a key: training.steps=1000.")
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Continue from the last checkpoint in --out.")
    ] = False,
    device: Annotated[Device, typer.Option(help="Device that trains the networks.")] = Device.AUTO,
    workers: Workers = 0,
) -> None:
    """Train a mask-to-image GAN. Needs the extra `train`."""
    _prepare(workers, True, device.value)
    from karyoscope.training.synthesis import train_generator_from

    print(
        train_generator_from(source, out, changes=changes or (), resume=resume, device=device.value)
    )


@app.command("write")
def write_command(
    run: Annotated[Path, typer.Argument(help="Folder that `karyoscope synthesize train` wrote.")],
    out: Annotated[Path, typer.Option(help="Folder of the dataset.")],
    n: Annotated[int, typer.Option("--n", help="Number of image/label pairs.", min=1)] = 1000,
    data: Annotated[
        Path | None,
        typer.Option(help="Take masks from these images instead of those of the run."),
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="Only one part of --data, by this split.")
    ] = None,
    part: Part = "train",
    mpp: Mpp = None,
    classes: Classes = None,
    size: Annotated[int, typer.Option(help="Edge of a tile in pixels.", min=8)] = 256,
    seed: Seed = 0,
    balanced: Annotated[
        float, typer.Option(help="Fraction of masks sampled for their rare classes.", min=0, max=1)
    ] = 0.0,
    style: Annotated[
        Style, typer.Option(help="Colours of the tile that the mask is from, or of another tile.")
    ] = Style.OWN,
    shift: Annotated[
        float, typer.Option(help="Largest shift of a nucleus along each axis, px.", min=0)
    ] = 3.0,
    turn: Annotated[
        float, typer.Option(help="Largest rotation of a nucleus, degrees.", min=0)
    ] = 3.0,
    layout: Annotated[
        str, typer.Option("--to", metavar="|".join(LAYOUTS), help="Layout of the dataset.")
    ] = "folder",
    overwrite: Annotated[bool, typer.Option(help="Replace a dataset written before.")] = False,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Move the nuclei of real masks, generate images from them, and write the image/label pairs."""
    if split is not None and data is None:
        raise typer.BadParameter("--split divides the images of --data, which is not given")
    _prepare(workers)
    from karyoscope.training.recipe import DataSource
    from karyoscope.training.synthesis import Motion, write_pairs

    given = None
    if data is not None:
        given = DataSource.model_validate({"path": data, "mpp": mpp, "taxonomy": classes})
    with counting_bar("generating") as bar:
        bar.begin(n)
        written = write_pairs(
            run,
            out,
            n,
            data=given,
            split=None if split is None else (split, part),
            size=size,
            seed=seed,
            balanced=balanced,
            style=style.value,
            motion=Motion(shift, turn),
            layout=layout,
            overwrite=overwrite,
            watch=bar.advance,
        )
    for line in written.skipped:
        complain(line)
    if as_json:
        names = ("images", "nuclei", "lost", "licence")
        found = {"out": str(out)} | {name: getattr(written, name) for name in names}
        print(json.dumps(found))
    else:
        print(f"{written.images} images with {written.nuclei} nuclei written to {out}")
        print(f"licence: {written.licence}")
    if written.lost:
        complain(f"{written.lost} nuclei had no free place in crowded masks and were left out")


@app.command("distance")
def distance_command(
    synthetic: Annotated[Path, typer.Argument(help="Dataset that `synthesize write` wrote.")],
    real: Annotated[Path, typer.Option(help="Folder of annotated real images.")],
    weights: Annotated[
        str | None,
        typer.Option(
            help="ImageNet weights: a name of `karyoscope weights list`, or a file (.safetensors,"
            " timm's names). By default those of the encoder."
        ),
    ] = None,
    encoder: Annotated[str, typer.Option(help="timm model.")] = "tf_efficientnet_lite0",
    split: Annotated[
        Path | None, typer.Option(help="Only one part of --real, by this split.")
    ] = None,
    part: Part = "train",
    mpp: Mpp = None,
    classes: Classes = None,
    seed: Seed = 0,
    workers: Workers = 0,
    as_json: Json = False,
) -> None:
    """Fréchet distance of synthetic to real tiles, beside those of real and of degraded tiles.

    Values depend on the encoder and on the number of tiles: compare only what one command prints.
    """
    _prepare(workers)
    from karyoscope.training.recipe import DataSource
    from karyoscope.training.synthesis import TileFeatures, dataset_distance

    given = DataSource.model_validate({"path": real, "mpp": mpp, "taxonomy": classes})
    parts = None if split is None else (split, part)
    found = dataset_distance(synthetic, given, TileFeatures(encoder, weights or True), parts, seed)
    if as_json:
        print(json.dumps(found.to_dict()))
        return
    print(
        f"Fréchet distance on features of {found.features}, {found.tiles} tiles of"
        f" {found.size} px each, to real tiles"
    )
    for name in ("real", "synthetic", "blurred", "noisy"):
        print(f"  {name:<10}{getattr(found, name):>10.3f}")


def _prepare(workers: int, log: bool = False, device: str = "cpu") -> None:
    require("train", "torch", "timm", "lightning", "safetensors")
    prepare_torch(workers, log, device)
