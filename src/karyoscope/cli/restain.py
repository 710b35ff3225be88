"""``karyoscope restain``: train a stain normaliser, and normalise slides and images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from karyoscope.cli.shared.choices import Device
from karyoscope.cli.shared.terminal import complain
from karyoscope.cli.shared.torch import prepare_torch
from karyoscope.core.optional import require

app = typer.Typer(
    name="restain",
    help="Train a stain normaliser, and normalise slides and images.",
    no_args_is_help=True,
)

Mpp = Annotated[
    float | None, typer.Option(help="Micrometres per pixel, where the files do not state it.")
]
Workers = Annotated[int, typer.Option(help="Threads of the CPU; 0 for all.", min=0)]


@app.command("train")
def train_command(
    out: Annotated[Path, typer.Option(help="Folder for the bundle, checkpoint and log.")],
    target: Annotated[
        list[str], typer.Option(help="Target slides, images, folders or globs; repeatable.")
    ],
    mpp: Mpp = None,
    scale: Annotated[
        float, typer.Option(help="Micrometres per pixel at which the network works.")
    ] = 0.5,
    name: Annotated[
        str | None, typer.Option(help="Name of the bundle; by default that of --out.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting: steps=2000, width=8, adversarial=0."),
    ] = None,
    resume: Annotated[
        bool, typer.Option(help="Continue from the last checkpoint in --out.")
    ] = False,
    device: Annotated[Device, typer.Option(help="Device that trains the network.")] = Device.AUTO,
    workers: Workers = 0,
) -> None:
    """Train a RestainNet on images with the target staining; labels are not needed.

    Writes <out>/bundle, for `karyoscope restain apply` and `karyoscope segment --stain`.
    Needs the extra `train`.
    """
    require("train", "torch", "lightning", "onnx", "safetensors")
    from karyoscope.training.restain import train_restainer_from

    prepare_torch(workers, device=device.value)
    bundle = train_restainer_from(
        target,
        out,
        changes=changes or (),
        name=name,
        working_mpp=scale,
        file_mpp=mpp,
        resume=resume,
        device=device.value,
    )
    print(bundle)


@app.command("apply")
def apply_command(
    inputs: Annotated[list[str], typer.Argument(help="Slides, images, folders or globs.")],
    model: Annotated[
        str, typer.Option(help="Bundle of a RestainNet; or macenko, reinhard, clahe.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    target: Annotated[
        str | None,
        typer.Option(help="Target image, folder or glob, for macenko and reinhard."),
    ] = None,
    mpp: Mpp = None,
    override_mpp: Annotated[
        float | None, typer.Option(help="Micrometres per pixel, whatever the files state.")
    ] = None,
    workers: Workers = 0,
    overwrite: Annotated[bool, typer.Option(help="Replace results that exist.")] = False,
) -> None:
    """Write slides and images with a normalised stain.

    Images become <stem>.png, slides <stem>.tif with a pyramid. The normaliser is fitted to each
    input as a whole and applied window by window. Inputs that fail are reported, the others are
    processed, and the exit code is then 1.
    """
    from karyoscope.pipeline.stains import recolour_slides

    result = recolour_slides(
        inputs,
        out,
        model if target is None else f"{model}:{target}",
        mpp,
        override_mpp=override_mpp,
        overwrite=overwrite,
        threads=workers,
        warn=lambda path, line: complain(line),
        watch=lambda found: print(found) if isinstance(found, Path) else complain(found),
    )
    failed = len(result.problems)
    if failed:
        complain(f"{failed} of {failed + len(result.written)} inputs failed")
        raise typer.Exit(1)
