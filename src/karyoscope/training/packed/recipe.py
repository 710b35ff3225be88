"""From a recipe to its compressed training set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from karyoscope.training.data.images import ValidationImages, load_training_bank, split_records
from karyoscope.training.packed.files import about_recipe, write_packed
from karyoscope.training.packed.images import rows_of, samples_of
from karyoscope.training.packed.writing import Report, write_compressed
from karyoscope.training.recipe import Recipe, load_recipe

_JPEG = (".jpg", ".jpeg")


def pack_from(
    recipe: str | Path, path: str | Path, *, changes: Sequence[str] = (), limit: int | None = None
) -> str:
    """Write the images of a recipe that is named by path to one file.

    This is what ``karyoscope data pack`` does.

    Parameters
    ----------
    recipe : str or path
        Recipe, by the name of a shipped one or by path.
    path : path
        File to write; see :func:`pack`.
    changes : sequence of str
        Keys of the recipe to change, such as ``"data.0.path=FOLDER"``.
    limit : int, optional
        Size limit of a compressed file, in bytes; see :func:`pack`.

    Returns
    -------
    str
        Description of the written file, for the terminal.

    Raises
    ------
    KaryoscopeError
        If the recipe cannot be read, an image is damaged, or the images do not fit.
    """
    return pack(load_recipe(recipe, list(changes)), Path(path), limit)


def pack(recipe: Recipe, path: Path, limit: int | None = None) -> str:
    """Write the images of a recipe to one file, for a machine without the data.

    Parameters
    ----------
    recipe : Recipe
    path : path
        File to write; replaced when complete.
    limit : int, optional
        Bytes that a compressed file (ZIP) with the training and validation images may have. Where
        it is not given, the training images are written as they are (``.safetensors``).

    Returns
    -------
    str
        Description of the written file, for the terminal.

    Raises
    ------
    KaryoscopeError
        If an image is damaged, or the images do not fit.
    """
    if limit is not None:
        return f"{path}: {pack_recipe(recipe, path, limit)}"
    bank = load_training_bank(recipe)
    write_packed(bank, recipe, path)
    return f"{len(bank)} images with {len(bank.rgb)} pixels written to {path}"


def pack_recipe(recipe: Recipe, path: Path, limit: int) -> Report:
    """Write the training and the validation images of a recipe to one file.

    Parameters
    ----------
    recipe : Recipe
    path : path
        A ZIP file; replaced when complete.
    limit : int
        Bytes that it may have.

    Raises
    ------
    KaryoscopeError
        If an image is damaged, or the images do not fit.
    """
    bank = load_training_bank(recipe)
    published = _jpeg_files(recipe)
    images = list(rows_of(bank, published))
    train, _ = split_records(recipe)
    for image, (_, record, _) in zip(images, train, strict=True):
        image.about = {"record": vars(record)}
    validation = ValidationImages(recipe)
    samples = (validation[k] for k in range(len(validation)))
    images += samples_of((sample for sample in samples if sample is not None), published)
    return write_compressed(images, bank, about_recipe(recipe), path, limit)


def _jpeg_files(recipe: Recipe) -> dict[str, list[Path]]:
    """Published JPEG files of a recipe's data by stem: images that were coded with loss once."""
    found: dict[str, list[Path]] = {}
    for source in recipe.data:
        for path in sorted(source.path.rglob("*")):
            if path.suffix.lower() in _JPEG:
                found.setdefault(path.stem, []).append(path)
    return found
