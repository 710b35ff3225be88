"""Reading and writing of packed training sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.training.data.bank import PixelBank, single_sets
from karyoscope.training.packed.reading import open_pack
from karyoscope.training.packed.rows import bank_of, samples_in
from karyoscope.training.packed.stained import stained_bank, stained_samples
from karyoscope.training.recipe.check import ANALYST, can_validate
from karyoscope.training.recipe.schema import Recipe

if TYPE_CHECKING:
    from karyoscope.datasets.base import Sample

FORMAT = "karyoscope training set 1"
_TENSORS = ("rgb", "ids", "classes", "starts", "heights", "widths", "weights", "sets")
_ZIP = b"PK\x03\x04"


def write_packed(bank: PixelBank, recipe: Recipe, path: Path) -> None:
    """Write a training set as flat tensors, the attributes of :class:`PixelBank`.

    Parameters
    ----------
    bank : PixelBank
        Training images to write.
    recipe : Recipe
        Whose images these are; its classes, scale and stain go into the file.
    path : path
        A ``.safetensors`` file; replaced when complete.
    """
    about = about_recipe(recipe) | {
        "format": FORMAT,
        "names": json.dumps(bank.names),
        "highest": str(bank.highest),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: getattr(bank, name).contiguous() for name in _TENSORS}
    with writing(path) as partial:
        save_file(tensors, partial, about)


def about_recipe(recipe: Recipe) -> dict[str, str]:
    """What a file says of the recipe that it was packed for."""
    return {
        "recipe": recipe.name,
        "mpp": str(recipe.mpp),
        "stain": recipe.stain or "",
        "taxonomy": json.dumps(Taxonomy.load(recipe.taxonomy).to_dict()),
    }


def read_packed(path: Path, recipe: Recipe) -> PixelBank:
    """Read a training set, compressed or not.

    Raises
    ------
    KaryoscopeError
        If there is no such file, it is damaged or something else, it has not the recipe's classes
        and scale, or it has another stain. Images without a stain get that of the recipe.
    """
    if _is_compressed(path):
        with open_pack(path) as file:
            _check(file.about, path, recipe)
            stain = _stain_to_give(file.about, recipe)
            bank = bank_of(file)
        return stained_bank(bank, stain, recipe.mpp) if stain else bank
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
    n_classes = _check(about, path, recipe)
    tensors.setdefault("sets", single_sets(n_classes))
    highest = int(about.get("highest") or tensors["ids"].max())
    bank = PixelBank(
        **tensors, names=json.loads(about["names"]), n_classes=n_classes, highest=highest
    )
    stain = _stain_to_give(about, recipe)
    return stained_bank(bank, stain, recipe.mpp) if stain else bank


def read_packed_validation(path: Path, recipe: Recipe) -> list[Sample]:
    """Read the validation images beside a training set; the result is empty if there are none.

    Raises
    ------
    KaryoscopeError
        See :func:`read_packed`.
    """
    if not _is_compressed(path):
        return []
    with open_pack(path) as file:
        _check(file.about, path, recipe)
        stain = _stain_to_give(file.about, recipe)
        samples = samples_in(file, Taxonomy.load(recipe.taxonomy))
    return stained_samples(samples, stain, recipe.mpp) if stain else samples


def _is_compressed(path: Path) -> bool:
    if not path.is_file():
        raise KaryoscopeError(f"packed training set {path} does not exist")
    with path.open("rb") as file:
        return file.read(4) == _ZIP


def _check(about: Mapping[str, str], path: Path, recipe: Recipe) -> int:
    """Compare a file with a recipe; return the number of classes."""
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
    if stains[0] not in ("none", stains[1]):
        raise KaryoscopeError(
            f"{path} has the stain {stains[0]}, the recipe {stains[1]}: pack it again"
        )
    return len(taxonomy)


def _stain_to_give(about: Mapping[str, str], recipe: Recipe) -> str | None:
    """The stain of the recipe, where the images of a file have none.

    Raises
    ------
    KaryoscopeError
        If the packages that give it are not here.
    """
    stain = recipe.stain if not about.get("stain") else None
    if stain and not can_validate():
        raise KaryoscopeError(
            f"the packed images have no stain, the recipe has {stain}: pack them with it"
            f" (--set stain={stain}), or install {', '.join(ANALYST)}"
        )
    return stain
