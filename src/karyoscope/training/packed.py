"""A training set in one file: what a bare machine needs beside the recipe."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from karyoscope.errors import KaryoscopeError
from karyoscope.taxonomy import Taxonomy
from karyoscope.training.bank import PixelBank, single_sets
from karyoscope.training.schema import Recipe

FORMAT = "karyoscope training set 1"
_TENSORS = ("rgb", "ids", "classes", "starts", "heights", "widths", "weights", "sets")


def write_packed(bank: PixelBank, recipe: Recipe, path: Path) -> None:
    """Write a training set as flat tensors, the attributes of :class:`PixelBank`.

    Parameters
    ----------
    bank : PixelBank
    recipe : Recipe
        Whose images these are; its classes, scale and stain go into the file.
    path : path
        A ``.safetensors`` file; replaced when complete.
    """
    about = {
        "format": FORMAT,
        "recipe": recipe.name,
        "mpp": str(recipe.mpp),
        "stain": recipe.stain or "",
        "taxonomy": json.dumps(Taxonomy.load(recipe.taxonomy).to_dict()),
        "names": json.dumps(bank.names),
        "highest": str(bank.highest),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    tensors = {name: getattr(bank, name).contiguous() for name in _TENSORS}
    save_file(tensors, partial, about)
    partial.replace(path)


def read_packed(path: Path, recipe: Recipe) -> PixelBank:
    """Read a training set.

    Raises
    ------
    KaryoscopeError
        If there is no such file, it is something else, or it has not the recipe's classes, scale
        and stain.
    """
    if not path.is_file():
        raise KaryoscopeError(f"packed training set {path} does not exist")
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            if about.get("format") != FORMAT:
                raise KaryoscopeError(f"{path} is no training set of `karyoscope data pack`")
            # Packs that were written when every label was one class have no sets.
            held = set(file.keys())
            tensors = {name: file.get_tensor(name) for name in _TENSORS if name in held}
    except SafetensorError as error:
        raise KaryoscopeError(f"{path} is not a whole .safetensors file") from error
    taxonomy = Taxonomy.load(recipe.taxonomy)
    packed = Taxonomy.from_dict(json.loads(about["taxonomy"]))
    if packed.names != taxonomy.names:
        raise KaryoscopeError(
            f"{path} has the classes {', '.join(packed.names)}, the recipe"
            f" {', '.join(taxonomy.names)}: pack it again"
        )
    if float(about["mpp"]) != recipe.mpp:
        raise KaryoscopeError(
            f"{path} is at {about['mpp']} µm/px, the recipe at {recipe.mpp}: pack it again"
        )
    stains = about.get("stain") or "none", recipe.stain or "none"
    if stains[0] != stains[1]:
        raise KaryoscopeError(
            f"{path} has the stain {stains[0]}, the recipe {stains[1]}: pack it again"
        )
    tensors.setdefault("sets", single_sets(len(taxonomy)))
    highest = int(about.get("highest") or tensors["ids"].max())
    return PixelBank(
        **tensors, names=json.loads(about["names"]), n_classes=len(taxonomy), highest=highest
    )
